// Package ngsild is the agent's side of an NGSI-LD broker: entities in every
// form they come in, the client that reads and merges them, the subscriptions
// that are kept true, and the webhook that takes notifications.
//
// It stands at both ends of the path of a change: DecodeNotification and
// DecodeEntities turn what a broker or a file says into [Entity] values, and
// [Client.Merge] writes the outcome back. It knows nothing of Kubernetes.
//
// Three rules are easy to break by accident. Absence must be proved: only
// [Client.Entity] answers [ErrNotFound], and only for the one answer by which
// the broker says so. Once the secret of a notification matches, the answer is
// 204 whatever the body holds, because every other answer brings the
// subscription nearer to being paused for good. And an @context is neither
// fetched nor sent: names are shortened by known prefixes only.
package ngsild
