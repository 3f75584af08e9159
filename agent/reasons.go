package agent

import (
	"strings"

	"github.com/hlo-agent/hlo-agent/mapping"
)

// explanation says in plain words what a reason means for somebody who waits for
// a component, and what would help. Words in braces stand for what is known of
// the component; see (*seen).words.
type explanation struct{ why, help string }

// What only the commands for people say; no entity carries these.
const (
	seenNotTakenUp   = "NotTakenUp"    // nothing was made of an order yet
	seenNotSaid      = "NotReported"   // it is there, and nothing was reported of it
	seenEntityGone   = "EntityGone"    // a resource without an entity
	seenBrokerAway   = "BrokerAway"    // a resource, and a broker that cannot be asked
	seenElsewhere    = "Elsewhere"     // another domain's
	seenNobodys      = "DomainUnnamed" // its element names no domain
	seenHandedOver   = "HandedOver"    // another domain's, and handed over by ours
	seenEnded        = "Ended"         // Finished, and nothing of it is here
	seenImage        = "ImagePull"     // what orchestrators say when an image cannot be had
	seenCrash        = "CrashLoop"     // ... when a program ends again and again
	seenMemory       = "OutOfMemory"   // ... when it takes more memory than it may
	seenNowhere      = "Unschedulable" // ... when no node has room
	seenNothingKnown = "NothingKnown"  // anything else that a resource says
)

// explanations are those of all reasons that the agent writes, and of the words
// above.
func explanations() map[string]explanation {
	return map[string]explanation{
		reasonAwaitingPlacement: {"no element is chosen for it, and the agent that looks after it does not choose any",
			"let whoever places components set infrastructureElement, or run the agent with HOMING=auto"},
		reasonPlacementTaken: {"its infrastructureElement was taken away; the resource {resource} stays as it is, since that is no order to delete",
			"set infrastructureElement again, or order Removing if it shall go"},
		reasonAccepted: {"the API server has accepted the resource {resource}, and its orchestrator has not said anything of it yet",
			"wait a moment; if it stays so, look whether the orchestrator of that kind runs and watches the namespace {namespace}"},
		reasonStateUnknown: {"the resource {resource} is there, and nobody says how it is",
			"look whether the orchestrator of that kind runs and watches the namespace {namespace}, and whether the status rules of the mapping {mapping} can read what it writes"},
		reasonDeadlineExceeded: {"its resource {resource} has not got on for PROGRESS_DEADLINE ({deadline}), so it counts as Failed, though it is still followed",
			"the message says what was seen last: look at the resource and at what its orchestrator makes of it; when it gets on, the report follows by itself"},
		reasonOverloaded: {"Overload was ordered, and nothing here can place it anew, so it stays as it is",
			"set another infrastructureElement, or run the agent with HOMING=auto"},
		reasonNameHeld: {"the name of its resource is held by somebody else's object, which the agent does not touch",
			"delete or rename the object that the message names; if it is left over from an earlier installation, ADOPT lets the agent take it over"},
		reasonKindMissing: {"the cluster {cluster} does not know the kind of its resource",
			"install the CustomResourceDefinition of the orchestrator (deploy/hlo-agent/crds has the aerOS ones); the component is tried again by itself"},
		reasonInvalid: {"no resource can be made of it",
			"correct what the message names; `hlo-agent render` shows it offline"},
		reasonRejected: {"the API server refuses the resource, and would refuse the same again",
			"change what the message names, in the entity {id} or in the mapping {mapping}; if the message speaks of a webhook or a quota, that has to let it pass"},
		reasonRestarting: {"it was ordered again after its end, and the ended resource goes before the new one comes",
			"wait; if it takes long, a finalizer holds {resource}: look at its metadata.finalizers"},
		reasonTerminating: {"a resource of the same name is still being deleted, and the new one has to wait for the name",
			"if it takes long, a finalizer holds {resource}: look at its metadata.finalizers, and whether its orchestrator runs"},
		reasonPaused: {"it is paused, so nothing of it is changed",
			"`hlo-agent resume {short}` lets it go on; an annotation hlo-agent.github.io/paused on the resource has to be removed there"},
		reasonKept: {"SYNC_POLICY of the agent is {policy}, which forbids what would have to be done",
			"set SYNC_POLICY to sync, or do by hand what the message says"},
		reasonMoving: {"it is on its way to {element}: the new resource does not run yet, and the old one stays until it does",
			"wait; if the new one is not Running within MOVE_TIMEOUT ({move}), the move is taken back"},
		reasonMoveTimedOut: {"it did not run on its new element within MOVE_TIMEOUT ({move}), and was taken back to the one before",
			"find out why it does not run there (the message has what was seen last), then place it there again"},
		reasonRemoving: {"it was ordered away, and is Finished when its resource is gone everywhere",
			"wait; if it takes long, a finalizer holds {resource}: look at its metadata.finalizers"},
		reasonContested: {"another writer keeps changing serviceComponentStatus to what the resource does not say",
			"find that writer (an operator that reports by itself, a second agent for the same domain, the service that this agent replaces) and let one of them write"},
		reasonOverlayMissing: {"its service wants an overlay network, and its place in that is not made yet",
			"look at SHIM_URL, which gives subnets, and at the agent's log for {service}"},
		reasonDomainRefused: {"the domain {domain} of its element {element} refuses to take it",
			"the message has the domain's answer: ask its operators, or place the component elsewhere; it is asked again every five minutes"},
		reasonDomainUnreachable: {"the domain {domain} of its element {element} cannot be asked",
			"look at publicUrl and federatorUrl of that Domain entity, at HLO_CA_FILE and HLO_OAUTH_TOKEN_URL, and whether its agent runs; it is asked again by itself"},
		reasonRemoved: {"it was ordered away, and is gone",
			"order Starting to have it again"},
		reasonOrphaned: {"it was ordered away; its resource {resource} was left in the cluster, as its delete policy says, and is nobody's",
			"order Starting to have it again, or delete the resource by hand"},
		reasonClusterUnreachable: {"the cluster {cluster}, where it belongs, cannot be reached, so its state is not known and nothing of it can be changed",
			"look at the kubeconfig of that cluster (KUBECONFIG, CLUSTERS), the network and the credentials; it goes on by itself when the cluster answers"},
		reasonPlacing: {"an element is being chosen for it",
			"wait a moment"},
		reasonNoElementFits: {"no element satisfies what it requires",
			"the message counts the elements that each requirement ruled out: ask for less, free room, or add an element; `hlo-agent homing explain` shows the same offline. It is tried again when anything of that changes"},
		reasonUndecided: {"the time to choose an element was over before one was found, and none was ruled out",
			"it is tried again by itself; a smaller homingTemplate is decided faster"},
		reasonTemplateInvalid: {"the homingTemplate of its service {service} cannot be read",
			"correct what the message names; `hlo-agent homing validate` checks a template offline"},
		reasonRequirementsInvalid: {"its requirements cannot be read",
			"correct what the message names in the entity of the requirements or in the component"},
		reasonRequirementsMissing: {"the entity of its requirements is not in the broker",
			"create the entity that the message names, or take the link away; it is tried again when it comes"},
		reasonElementForeign: {"another domain asked for it on the element {element}, which is not of a domain of this agent",
			"let the caller name an element of this domain, or add the domain to DOMAIN_ID"},
		reasonSecretsLost: {"credentials were sent with the request for it, and what the mapping {mapping} makes does not hold them, so they would be lost with the next start",
			"use a mapping that puts the registry's credentials into the resource or into a Secret"},
		reasonElementUnfit: {"its element {element} is not ready or silent, and no other one fits",
			"bring the element back, or make room on another one; it is moved as soon as one fits"},

		mapping.ReasonUnplaced: {"it has no infrastructureElement",
			"set infrastructureElement, or run the agent with HOMING=auto"},
		mapping.ReasonElementMissing: {"the entity of its element {element} is not in the broker",
			"create that entity, or set infrastructureElement to one that is there; it is tried again when it comes"},
		mapping.ReasonOrchestratorMissing: {"the entity of its element's low-level orchestrator {orchestrator} is not in the broker",
			"create that entity, or correct lowLevelOrchestrator of {element}; it is tried again when it comes"},
		mapping.ReasonDomainMissing: {"the entity of its element's domain {domain} is not in the broker",
			"create that entity, or correct domain of {element}; it is tried again when it comes"},
		mapping.ReasonServiceMissing: {"the entity of its service {service} is not in the broker",
			"create that entity, or correct service of {id}; it is tried again when it comes"},
		mapping.ReasonPortMissing: {"the entity of one of its network ports is not in the broker",
			"create the entity that the message names, or take it out of networkPorts; it is tried again when it comes"},
		mapping.ReasonUnknownTechnology: {"no mapping is for the technology of its element {element}",
			"correct containerTechnology of the element, or load a mapping for it in MAPPINGS (`hlo-agent mapping list` shows the shipped ones)"},
		mapping.ReasonNoImage: {"it names no container image",
			"set containerImage of {id}"},
		mapping.ReasonInvalidPort: {"one of its network ports has a number that is none",
			"set portNumber of the entity that the message names to 1 to 65535"},
		mapping.ReasonInvalidValue: {"one of its attributes has the wrong type or shape",
			"correct the attribute that the message names"},
		mapping.ReasonInvalidName: {"no legal name for its resource comes out of the mapping {mapping}",
			"correct the name in the mapping, or the id of the component"},
		mapping.ReasonReservedName: {"the mapping {mapping} sets a label or an annotation that is the agent's own",
			"take it out of the mapping"},
		mapping.ReasonExpressionFailed: {"an expression of the mapping {mapping} does not fit what the entity holds",
			"correct the attribute that the message names, or the expression; `hlo-agent render` shows it offline"},
		mapping.ReasonMappingTie: {"two mappings of the same priority are for it, and neither may be preferred",
			"give one of those that the message names another priority, or narrower conditions"},
		mapping.ReasonNoObjects: {"the mapping {mapping} makes nothing of it",
			"look at the conditions of the mapping's objects; one of them has to hold"},
		mapping.ReasonDuplicateObject: {"the mapping {mapping} makes the same object twice",
			"give the objects of the mapping different names"},
		mapping.ReasonTooLarge: {"what the mapping {mapping} makes of it is too large for an API server",
			"make the attribute smaller that fills it, or put the content into an image or a volume"},
		mapping.ReasonPolicyDenied: {"the policy refuses what came out of the mapping {mapping}",
			"the message names the rule and the field: change the entity or the mapping; or, if it shall be allowed, the policy in POLICY"},

		seenNotTakenUp: {"it is ordered, nothing is in its way, and nothing was made of it yet",
			"in the first seconds that is usual; then look whether an agent runs for this domain (`hlo-agent status`, and its /readyz), or have it looked at: `hlo-agent reconcile {short}`"},
		seenNotSaid: {"its resource {resource} is there, and no agent has reported on it yet",
			"look whether an agent runs for this domain and reaches the broker"},
		seenEntityGone: {"the broker does not hold its entity any more, and its resource {resource} is still there",
			"an agent deletes it once that is proved; if many are missing at once the guard holds it: `hlo-agent prune` shows which"},
		seenBrokerAway: {"that is what its resource {resource} says, and the broker cannot be asked what is ordered",
			"look at CB_URL, the network and the credentials; the agent keeps what runs meanwhile, and goes on by itself when the broker answers"},
		seenElsewhere: {"it is another domain's: its element {element} belongs to {domain}, and nothing is written on it from here",
			"ask with the settings of that domain's agent (DOMAIN_ID)"},
		seenNobodys: {"its element {element} names no domain, so no agent takes it for its own",
			"set domain of the entity of {element}"},
		seenHandedOver: {"it was handed over to the domain {domain} of its element {element}, whose agent reports on it",
			"look there: `hlo-agent why` with the settings of that domain's agent"},
		seenEnded: {"it is Finished, and nothing of it is here",
			"order Starting to have it again"},
		seenImage: {"its image cannot be pulled to where it shall run",
			"check containerImage of {id} for a misspelling, that the registry can be reached from {element}, and, for a private one, repoUsername and repoPassword"},
		seenCrash: {"its program ends soon after each start",
			"look at the program's own log on {element}, and at cliArgs and envVars of {id}"},
		seenMemory: {"its program takes more memory than it may, and is ended for it",
			"ask for more memory in its requirements, or find out why it takes so much"},
		seenNowhere: {"the cluster has no node with room for it",
			"free room or add a node; or place it on another element"},
		seenNothingKnown: {"that is what its resource {resource} says",
			"look at the resource, and at what its orchestrator makes of it"},
	}
}

// explained finds the words for a reason. What a resource says of itself is known
// by what is usual among orchestrators.
func explained(reason, message string) explanation {
	all := explanations()
	if known, ok := all[reason]; ok {
		return known
	}
	text := lower(reason + " " + message)
	for _, sign := range []struct{ of, words string }{
		{seenImage, "imagepull errimage invalidimage pull-image manifest-unknown"},
		{seenCrash, "crashloop backoff-restart"},
		{seenMemory, "oomkill outofmemory"},
		{seenNowhere, "unschedulable failedscheduling insufficient"},
	} {
		for word := range strings.FieldsSeq(sign.words) {
			if strings.Contains(text, word) {
				return all[sign.of]
			}
		}
	}
	return all[seenNothingKnown]
}
