package ngsild

// wordsOf returns the words of one length, behind each other: names of the
// continuum's types and attributes, of the values that we write, and its
// enumerations.
func wordsOf(length int) string {
	switch length {
	case 2:
		return "id"
	case 3:
		return "HDD" + "SSD" + "TCP" + "UDP" + "gpu" + "key" + "sla" + "tcp" + "udp" + "uid"
	case 4:
		return "kind" + "name" + "type"
	case 5:
		return "isJob" + "owner" + "phase" + "value"
	case 6:
		return "Docker" + "Domain" + "Failed" + "domain" + "number" + "object" + "reason"
	case 7:
		return "Pending" + "Refused" + "Running" + "Service" + "Unknown" + "cliArgs" + "cluster" +
			"envVars" + "message" + "service"
	case 8:
		return "DEPLOYED" + "FINISHED" + "Finished" + "Locating" + "Overload" + "Removing" + "Starting" +
			"Unplaced" + "cpuCores" + "diskType" + "domainId" + "hostname" + "location" + "protocol"
	case 9:
		return "DEPLOYING" + "Migrating" + "Succeeded" + "gpuMemory" + "inputHash" + "isPrivate" +
			"namespace" + "publicKey" + "publicUrl"
	case 10:
		return "Containerd" + "DESTROYING" + "Kubernetes" + "actionType" + "apiVersion" + "cpuFreqMax" +
			"hasOverlay" + "macAddress" + "netSpeedUp" + "portNumber" + "trustScore"
	case 11:
		return "NetworkPort" + "PowerSource" + "Progressing" + "description" + "exposePorts" +
			"powerSource" + "ramCapacity" + "requiredRam" + "serviceType"
	case 12:
		return "availableRam" + "diskCapacity" + "domainStatus" + "isEntrypoint" + "netSpeedDown" +
			"netTrafficUp" + "networkPorts" + "portProtocol" + "repoPassword" + "repoUsername"
	case 13:
		return "availableDisk" + "domainHandler"
	case 14:
		return "containerImage" + "homingDecision" + "homingTemplate" + "netTrafficDown"
	case 15:
		return "cpuArchitecture" + "currentCpuUsage" + "currentRamUsage" + "netLostPackages" +
			"operatingSystem" + "realTimeCapable"
	case 16:
		return "ServiceComponent" + "currentDiskUsage" + "deploymentStatus" + "greenEnergyRatio" +
			"overlayNetworkIP" + "requiredCpuUsage" + "urn:ngsi-ld:none"
	case 17:
		return "internalIpAddress" + "orchestrationType" + "persistentStorage"
	case 18:
		return "currentMemoryUsage" + "currentRamUsagePct" + "observedGeneration"
	case 19:
		return "avgPowerConsumption" + "containerTechnology" + "currentDiskUsagePct" +
			"orchestrationPaused" + "requiredMemoryUsage"
	case 20:
		return "LowLevelOrchestrator" + "lowLevelOrchestrator"
	case 21:
		return "InfrastructureElement" + "energyEfficiencyRatio" + "infrastructureElement"
	case 22:
		return "serviceComponentStatus"
	case 23:
		return "currentPowerConsumption"
	case 25:
		return "infrastructureElementTier"
	case 27:
		return "infrastructureElementStatus"
	case 30:
		return "currentPowerGeneratorPotential"
	case 33:
		return "InfrastructureElementRequirements" + "infrastructureElementRequirements" +
			"urn:ngsi-ld:CpuArchitecture:AMD64" + "urn:ngsi-ld:CpuArchitecture:ARM64" +
			"urn:ngsi-ld:OperatingSystem:Linux"
	case 35:
		return "urn:ngsi-ld:DomainStatus:Functional"
	case 36:
		return "urn:ngsi-ld:OrchestrationType:Docker"
	case 40:
		return "urn:ngsi-ld:OrchestrationType:Containerd" + "urn:ngsi-ld:OrchestrationType:Kubernetes"
	case 41:
		return "urn:ngsi-ld:ServiceComponentStatus:Failed"
	case 42:
		return "urn:ngsi-ld:InfrastructureElementTier:Edge" +
			"urn:ngsi-ld:ServiceComponentStatus:Running"
	case 43:
		return "urn:ngsi-ld:InfrastructureElementTier:Cloud" +
			"urn:ngsi-ld:ServiceComponentStatus:Finished" +
			"urn:ngsi-ld:ServiceComponentStatus:Locating" +
			"urn:ngsi-ld:ServiceComponentStatus:Overload" +
			"urn:ngsi-ld:ServiceComponentStatus:Removing" +
			"urn:ngsi-ld:ServiceComponentStatus:Starting"
	case 44:
		return "urn:ngsi-ld:ServiceComponentStatus:Migrating"
	case 45:
		return "urn:ngsi-ld:InfrastructureElementStatus:Ready" +
			"urn:ngsi-ld:InfrastructureElementTier:FarEdge"
	default:
		return ""
	}
}
