package agent

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// description is what `describe` shows of one component.
type description struct {
	componentOverview
	Why       string           `json:"why"`
	Order     string           `json:"order"`
	Report    map[string]any   `json:"deploymentStatus,omitempty"`
	Placed    placed           `json:"placed"`
	Decision  map[string]any   `json:"homingDecision,omitempty"`
	Mapping   string           `json:"mapping"`
	Mappings  []consideration  `json:"mappings,omitempty"`
	Resources []objectOverview `json:"resources"`
	History   []happening      `json:"history"`
	Notes     []string         `json:"notes,omitempty"`
}

// placed is where a component is, by what its element links to.
type placed struct {
	Element      string `json:"element"`
	Hostname     string `json:"hostname"`
	Technology   string `json:"containerTechnology"`
	State        string `json:"infrastructureElementStatus"`
	Orchestrator string `json:"lowLevelOrchestrator"`
	Domain       string `json:"domain"`
	Cluster      string `json:"cluster"`
}

type consideration struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// objectOverview is one object of the component in a cluster.
type objectOverview struct {
	resourceOverview
	Cluster    string      `json:"cluster"`
	Phase      string      `json:"phase"`
	Reason     string      `json:"reason"`
	Message    string      `json:"message"`
	Created    time.Time   `json:"created"`
	Generation int64       `json:"generation"`
	Observed   int64       `json:"observedGeneration"`
	Deleting   bool        `json:"deleting"`
	Wanted     bool        `json:"wanted"`
	Conditions []condition `json:"conditions,omitempty"`
}

// happening is one Kubernetes Event on the component or its objects.
type happening struct {
	Last    time.Time `json:"last"`
	First   time.Time `json:"first"`
	Count   int       `json:"count"`
	Warning bool      `json:"warning"`
	Source  string    `json:"source"`
	Object  string    `json:"object"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
}

// historyMost is how many of them are shown, the newest.
const historyMost = 20

type condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func describeCommand(o *operator) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "describe ID", Short: "Show all that is known of one component", Args: components(1),
		Long: "The entity, why that element, which mapping and why, the resources with their conditions, and what the agent did.\n" +
			"All of it is read from broker and cluster. ID may be the end of the id, SERVICE/COMPONENT, or the name of the resource.",
		Example:           "  hlo-agent describe web\n  hlo-agent describe shop/web -o yaml",
		ValidArgsFunction: o.complete,
		RunE: func(cmd *cobra.Command, words []string) error {
			if !slices.Contains([]string{"text", "json", "yaml"}, output) {
				return fmt.Errorf("-o %q: must be text, json or yaml", output)
			}
			s, stop, err := o.look(cmd)
			if err != nil {
				return err
			}
			defer stop()
			id, err := s.find(words[0])
			if err != nil {
				return err
			}
			c := s.see(cmd.Context(), id, true)
			d := s.describe(c)
			d.History = s.history(cmd.Context(), c)
			d.Notes = s.unseen()
			if output != "text" {
				return printValue(cmd.OutOrStdout(), output, d)
			}
			return d.print(newColumns(cmd.OutOrStdout(), o.getenv))
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, json or yaml")
	return cmd
}

func (s *sight) describe(c *seen) description {
	d := description{componentOverview: s.component(c), Why: s.paragraph(c), Order: string(c.order), Resources: []objectOverview{}}
	hidden := credentialsInEntity(&c.entity)
	d.Report, _ = hidesSecrets(cutFrom(c.entity.Attrs[attrDeployment].Value, hidden)).(map[string]any)
	d.Decision, _ = hidesSecrets(cutFrom(c.entity.Attrs[attrDecision].Value, hidden)).(map[string]any)
	d.Placed = placed{Element: d.Element, Cluster: c.cluster}
	if e := c.input.Element; e != nil {
		d.Placed.Hostname, _ = e.Text("hostname")
		d.Placed.Technology, d.Placed.State = e.Enum("containerTechnology"), e.Enum(attrElementStatus)
		d.Placed.Orchestrator, d.Placed.Domain = string(firstLink(e, "lowLevelOrchestrator")), string(firstLink(e, "domain"))
	}
	for _, m := range s.considered(c) {
		if m.Chosen {
			d.Mapping = m.Name
		}
		d.Mappings = append(d.Mappings, consideration{m.Name, m.Why})
	}
	for _, l := range c.live {
		object := l.Object()
		state := c.rules.Observe(object)
		d.Resources = append(d.Resources, objectOverview{
			resourceOverview: resourceOverview{l.Key.GVK.GroupVersion().String(), l.Key.GVK.Kind, l.Key.Namespace, l.Key.Name, string(l.UID)},
			Cluster:          l.Cluster, Phase: string(state.Phase), Reason: state.Reason, Message: hideText(state.Message),
			Created: l.Created, Generation: l.Generation, Observed: state.ObservedGeneration, Deleting: l.Deleting,
			Wanted: c.renders(l) || c.want == ended, Conditions: conditionsOf(object),
		})
	}
	return d
}

// history is what happened to a component lately, the oldest first. Events are kept
// for an hour, unless the API server is told otherwise.
func (s *sight) history(ctx context.Context, c *seen) []happening {
	type place struct{ cluster, namespace string }
	objects := map[place][]types.UID{{c.cluster, s.cfg.Namespace}: nil}
	for _, l := range c.live {
		at := place{l.Cluster, l.Namespace}
		objects[at] = append(objects[at], l.UID)
	}
	hidden := c.credentials()
	for _, l := range c.live {
		hidden = append(hidden, credentials(l.Object().Object)...)
	}
	var all []happening
	for at, of := range objects {
		told, err := s.clusters.Told(ctx, at.cluster, at.namespace, string(c.id), of...)
		if err != nil {
			s.notes = append(s.notes, fmt.Sprintf("what happened is not known: the Events of %s in the cluster %s cannot be listed: %v", at.namespace, at.cluster, err))
			continue
		}
		for _, e := range told {
			all = append(all, happening{e.Last, e.First, e.Count, e.Warning, e.Source, e.Regarding.GVK.Kind + "/" + e.Regarding.Name, e.Reason, hideText(hidden.CutFrom(e.Message))})
		}
	}
	slices.SortStableFunc(all, func(a, b happening) int {
		return cmp.Or(a.Last.Compare(b.Last), a.First.Compare(b.First), strings.Compare(a.Reason+a.Message, b.Reason+b.Message))
	})
	return all[max(0, len(all)-historyMost):]
}

// conditionsOf are those in the status of an object, as they stand there.
func conditionsOf(o *unstructured.Unstructured) []condition {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions") // another shape: none
	hidden := credentials(o.Object)
	var all []condition
	for _, item := range list {
		m, _ := item.(map[string]any)
		text := func(key string) string { t, _ := m[key].(string); return t }
		all = append(all, condition{text("type"), text("status"), text("reason"), hideText(hidden.CutFrom(text("message")))})
	}
	return all
}

// page writes a description for people.
type page struct {
	*columns
	err error
}

func (p *page) line(depth int, name, format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, "%s%-*s %s\n", strings.Repeat("  ", depth), 20-2*depth, name, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

func (p *page) phase(phase string) string {
	if p.colour {
		return painted(phase)
	}
	return phase
}

func (d *description) print(out *columns) error {
	p := &page{columns: out}
	p.line(0, "Component:", "%s", d.ID)
	p.line(0, "Service:", "%s", orDash(d.Service))
	p.line(0, "Phase:", "%s  %s", p.phase(d.Phase), d.Reason)
	p.line(0, "Why:", "%s", d.Why)
	p.line(0, "Status:", "%s", orDash(d.Status))
	if d.Order != "" {
		p.line(0, "Order:", "%s", d.Order)
	}
	p.line(0, "Paused:", "%v", d.Paused)
	d.printReport(p)
	d.printPlace(p)
	p.line(0, "Mapping:", "%s", orDash(d.Mapping))
	for _, m := range d.Mappings {
		p.line(1, m.Name, "%s", m.Why)
	}
	p.line(0, "Resources:", "%s", counted(len(d.Resources), "resource"))
	for _, r := range d.Resources {
		d.printObject(p, r)
	}
	p.line(0, "History:", "%s", counted(len(d.History), "event"))
	for _, h := range d.History {
		d.printEvent(p, h)
	}
	for _, note := range d.Notes {
		p.line(0, "Note:", "%s", note)
	}
	return p.err
}

func (d *description) printReport(p *page) {
	if d.Report == nil {
		p.line(0, "Reported:", "nothing")
		return
	}
	at := ""
	if d.At != nil {
		at = ", " + ago(time.Since(*d.At)) + " ago"
	}
	p.line(0, "Reported:", "%v (%v)%s", d.Report["phase"], d.Report["reason"], at)
	for _, key := range statusKeys[2:] {
		if value := d.Report[key]; value != nil && value != "" {
			p.line(1, key, "%v", value)
		}
	}
}

func (d *description) printPlace(p *page) {
	p.line(0, "Element:", "%s", orDash(d.Placed.Element))
	for _, field := range [][2]string{{"hostname", d.Placed.Hostname}, {"technology", d.Placed.Technology}, {"state", d.Placed.State},
		{"orchestrator", d.Placed.Orchestrator}, {"domain", d.Placed.Domain}, {"cluster", d.Placed.Cluster}} {
		if field[1] != "" {
			p.line(1, field[0], "%s", field[1])
		}
	}
	if len(d.Decision) > 0 {
		p.line(0, "Decision:", "%v chosen at %v, because: %v", lastOf(fmt.Sprint(d.Decision["element"])), d.Decision["decidedAt"], d.Decision["cause"])
		for _, key := range slices.Sorted(maps.Keys(d.Decision)) {
			if value := d.Decision[key]; value != "" && !slices.Contains([]string{"element", "decidedAt", "cause"}, key) {
				p.line(1, key, "%v", value)
			}
		}
	}
}

func (d *description) printEvent(p *page, h happening) {
	kind, times := "Normal", ""
	if h.Warning {
		kind = "Warning"
	}
	if h.Count > 1 {
		times = fmt.Sprintf(" (%d times since %s)", h.Count, h.First.UTC().Format(time.TimeOnly))
	}
	p.line(1, h.Last.UTC().Format(time.TimeOnly), "%-7s  %s: %s%s  [%s on %s]", kind, h.Reason, h.Message, times, h.Source, h.Object)
}

func (d *description) printObject(p *page, r objectOverview) {
	p.line(1, r.Kind, "%s/%s in %s", r.Namespace, r.Name, r.Cluster)
	state := p.phase(r.Phase) + "  " + r.Reason
	if r.Message != "" {
		state += ": " + r.Message
	}
	p.line(2, "says", "%s", state)
	p.line(2, "uid", "%s, made %s ago, generation %d, observed %d", r.UID, ago(time.Since(r.Created)), r.Generation, r.Observed)
	if r.Deleting {
		p.line(2, "deleting", "it goes when its finalizers are done")
	}
	if !r.Wanted {
		p.line(2, "old", "it is not what is wanted now")
	}
	for _, c := range r.Conditions {
		p.line(2, c.Type, "%s", strings.TrimSpace(c.Status+"  "+c.Reason+"  "+c.Message))
	}
}
