package mapping

// entityKind is what a variable of the language holds.
type entityKind uint8

const (
	noKind entityKind = iota
	componentKind
	elementKind
	orchestratorKind
	domainKind
	serviceKind
	portKind
)

// variables of the language that hold an entity; ports is a list of them.
func entityVariables() map[string]entityKind {
	return map[string]entityKind{
		"component": componentKind, "element": elementKind, "orchestrator": orchestratorKind,
		"domain": domainKind, "service": serviceKind,
	}
}

const portsVariable = "ports"

// variableName is what a mapping declares further attributes under.
func (k entityKind) variableName() string {
	if k == portKind {
		return portsVariable
	}
	for name, kind := range entityVariables() {
		if kind == k {
			return name
		}
	}
	return ""
}

// portAlias is the name in the published data model, which is read where the running code's is absent.
func portAlias(name string) string {
	switch name {
	case "portNumber":
		return "number"
	case "portProtocol":
		return "protocol"
	}
	return ""
}

// vocabulary holds the attribute names known for each kind, of both dialects. It serves to find
// misspelt names only: a name that resembles none of them is taken as it is.
func vocabulary() map[entityKind][]string {
	return map[entityKind][]string{
		componentKind: {
			"id", "type", "service", "serviceComponentStatus", "infrastructureElement",
			"infrastructureElementRequirements", "containerImage", "networkPorts", "envVars", "cliArgs",
			"exposePorts", "isJob", "isPrivate", "repoUsername", "repoPassword", "sla", "persistentStorage",
			"overlayNetworkIP", "currentCpuUsage", "currentMemoryUsage", "deploymentStatus", "homingDecision",
			"homingTemplate", "orchestrationPaused", "deletePolicy", "networkOverlay", deployAs,
		},
		elementKind: {
			"id", "type", "domain", "lowLevelOrchestrator", "powerSource", "hostname", "containerTechnology",
			"internalIpAddress", "macAddress", "cpuCores", "cpuFreqMax", "currentCpuUsage", "gpu", "gpuMemory",
			"ramCapacity", "availableRam", "currentRamUsage", "currentRamUsagePct", "diskType", "diskCapacity",
			"availableDisk", "currentDiskUsage", "currentDiskUsagePct", "netSpeedUp", "netSpeedDown",
			"netTrafficUp", "netTrafficDown", "netLostPackages", "avgPowerConsumption",
			"currentPowerConsumption", "energyEfficiencyRatio", "realTimeCapable", "trustScore",
			"cpuArchitecture", "operatingSystem", "infrastructureElementTier", "infrastructureElementStatus",
			"location", deployAs,
		},
		orchestratorKind: {"id", "type", "domain", "orchestrationType", "description", "clusterNamespace", deployAs},
		domainKind: {
			"id", "type", "description", "publicUrl", "owner", "isEntrypoint", "domainStatus", "publicKey",
			"federatorUrl",
		},
		serviceKind: {
			"id", "type", "name", "description", "domainHandler", "actionType", "hasOverlay", "serviceType",
		},
		portKind: {"id", "type", "portNumber", "portProtocol", "number", "protocol"},
	}
}

// deployAs is the property by which a component, its element or its orchestrator asks for a mapping.
const deployAs = "deployAs"

// nearest is the word of words that text is most likely a misspelling of, or empty.
func nearest(text string, words []string) string {
	best, limit := "", min(2, len(text)/3)
	for _, word := range words {
		if word == text {
			return ""
		}
		if d := distance(text, word); d <= limit && (best == "" || d < distance(text, best)) {
			best = word
		}
	}
	return best
}

// distance is the number of letters to insert, remove, replace or swap to make b of a, without regard
// to case, which alone counts as one.
func distance(a, b string) int {
	x, y := lowerASCII(a), lowerASCII(b)
	if x == y && a != b {
		return 1
	}
	rows := [3][]int{make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(x); i++ {
		before, above, row := rows[0], rows[1], rows[2]
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		rows = [3][]int{above, row, before}
	}
	return rows[1][len(y)]
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
