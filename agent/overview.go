package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// watchInterval is how often `status --watch` looks.
const watchInterval = 2 * time.Second

// overview is what `status` shows.
type overview struct {
	Agent      string              `json:"agent"`
	Domains    []string            `json:"domains"`
	Broker     string              `json:"broker"`
	Notices    map[string]string   `json:"subscriptions"`
	Leader     *leaderOverview     `json:"leader,omitempty"`
	Clusters   []clusterOverview   `json:"clusters"`
	Notes      []string            `json:"notes,omitempty"`
	Components []componentOverview `json:"components"`
}

type clusterOverview struct {
	Name      string `json:"name"`
	State     string `json:"state"`
	Resources int    `json:"resources"`
}

// componentOverview is one component in it.
type componentOverview struct {
	ID       string            `json:"id"`
	Short    string            `json:"short"`
	Service  string            `json:"service"`
	Phase    string            `json:"phase"`
	Reason   string            `json:"reason"`
	Message  string            `json:"message"`
	Status   string            `json:"serviceComponentStatus"`
	Element  string            `json:"element"`
	Cluster  string            `json:"cluster"`
	Paused   bool              `json:"paused"`
	Resource *resourceOverview `json:"resource,omitempty"`
	Reported string            `json:"reportedPhase"`
	At       *time.Time        `json:"reportedAt,omitempty"`
	Note     string            `json:"note,omitempty"`
}

type resourceOverview struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
}

func statusCommand(o *operator) *cobra.Command {
	var watch bool
	var output string
	cmd := &cobra.Command{
		Use: "status", Short: "Show where every component stands", Args: cobra.NoArgs,
		Long: "A table of all components, read from broker and clusters with the settings of `run`, so that it is true while no\n" +
			"agent runs. PHASE is where a component stands now; NOTE says where its report differs from that.",
		Example: "  hlo-agent status\n  hlo-agent status -o wide --watch\n  hlo-agent status -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if formats := []string{"table", "wide", "json", "yaml"}; !slices.Contains(formats, output) || watch && slices.Index(formats, output) > 1 {
				return fmt.Errorf("-o %q: must be table, wide, json or yaml, and one of the first two with --watch", output)
			}
			s, stop, err := o.look(cmd)
			if err != nil {
				return err
			}
			defer stop()
			shown := s.overview(cmd.Context())
			if output == "json" || output == "yaml" {
				return printValue(cmd.OutOrStdout(), output, shown)
			}
			t := &statusTable{columns: newColumns(cmd.OutOrStdout(), o.getenv), wide: output == "wide", now: s.now, shown: map[string]string{}}
			if err := t.head(shown); err != nil || !watch {
				return s.complain(err)
			}
			return t.watch(cmd.Context(), s)
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on, and print what changes")
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table, wide, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]cobra.Completion{"table", "wide", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}

// complain makes it an error that half of what is asked for could not be read.
func (s *sight) complain(err error) error {
	if err == nil && (s.noBroker != nil || len(s.notes) > 0) {
		return exit(1) // what there is to say is in the table's head
	}
	return err
}

// unseen says what could not be looked at.
func (s *sight) unseen() []string {
	if s.noBroker == nil {
		return slices.Clone(s.notes)
	}
	return append([]string{s.noBroker.Error()}, s.notes...)
}

func printValue(out io.Writer, format string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err == nil && format == "yaml" {
		text, err = yaml.JSONToYAML(text)
	}
	if err == nil {
		_, err = fmt.Fprintln(out, strings.TrimSuffix(string(text), "\n"))
	}
	return err
}

func (s *sight) overview(ctx context.Context) overview {
	base, _ := s.cfg.brokerBase() // it was checked
	v := overview{Agent: s.cfg.AgentID, Domains: s.domains.ids, Broker: base, Notices: s.notices(ctx), Notes: s.unseen(), Components: []componentOverview{}}
	var err error
	if v.Leader, err = s.leader(ctx); err != nil && len(s.notes) == 0 { // else the cluster was said not to answer
		v.Notes = append(v.Notes, "which copy acts is not known: "+err.Error())
	}
	for _, name := range s.clusters.names() {
		one := clusterOverview{Name: name, State: "answers"}
		if err := s.clusters.lost(name, 0); err != nil {
			one.State = plainly(err)
		} else if !s.clusters.Ready(name) {
			one.State = "not listed"
		}
		for _, l := range s.clusters.All() {
			if l.Cluster == name {
				one.Resources++
			}
		}
		v.Clusters = append(v.Clusters, one)
	}
	for _, id := range s.ids() {
		v.Components = append(v.Components, s.component(s.see(ctx, id, false)))
	}
	return v
}

// notices says of each subscription how the broker serves it.
func (s *sight) notices(ctx context.Context) map[string]string {
	state := map[string]string{}
	for _, name := range []string{"components", "links"} {
		sub, err := s.client.Subscription(ctx, subscriptionID(s.cfg.AgentID, name))
		n := sub.Notification
		switch {
		case isNotFound(err):
			state[name] = "missing: no agent of this AGENT_ID has run, or somebody deleted it"
		case err != nil:
			state[name] = err.Error()
		case !sub.Active():
			state[name] = "paused by the broker"
		case n.TimesFailed > 0 && n.LastFailure > n.LastSuccess:
			state[name] = "the last notification failed, at " + n.LastFailure + ": " + n.Endpoint.URI
		case n.LastSuccess != "":
			state[name] = "last sent at " + n.LastSuccess
		default:
			state[name] = "active"
		}
	}
	return state
}

func (s *sight) component(c *seen) componentOverview {
	v := componentOverview{
		ID: string(c.id), Short: short(c.id), Service: string(serviceOf(&c.entity)),
		Phase: string(c.now.Phase), Reason: c.now.Reason, Message: hideText(c.now.Message), Status: c.entity.Enum(attrStatus),
		Element: string(firstLink(&c.entity, attrElement)), Cluster: c.cluster, Paused: c.paused,
		Reported: string(c.said.Phase), Note: c.note,
	}
	if !c.entity.Observed.IsZero() {
		v.At = new(c.entity.Observed)
	}
	if c.now.Name != "" {
		v.Resource = &resourceOverview{c.now.APIVersion, c.now.Kind, c.now.Namespace, c.now.Name, c.now.UID}
	}
	return v
}

// statusTable prints an overview, and later what changed in it.
type statusTable struct {
	*columns
	wide  bool
	now   func() time.Time
	shown map[string]string // the row of each component without its age, as printed last
}

func (t *statusTable) head(v overview) error {
	names := []string{"agent", v.Agent, "of " + strings.Join(v.Domains, ", ")}
	if slices.Equal(v.Domains, []string{"*"}) {
		names[2] = "of all domains"
	}
	lines := [][]string{names, {"broker", v.Broker, counted(len(v.Components), "component")}}
	for _, name := range []string{"components", "links"} {
		lines = append(lines, []string{"notices", name, v.Notices[name]})
	}
	if v.Leader != nil {
		lines = append(lines, []string{"leader", v.Leader.text(t.now())})
	}
	for _, c := range v.Clusters {
		lines = append(lines, []string{"cluster", c.Name, c.State + ", " + counted(c.Resources, "resource")})
	}
	for _, note := range v.Notes {
		lines = append(lines, []string{"note", note})
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(t.out, "%-8s %s\n", line[0], strings.Join(line[1:], "  ")); err != nil {
			return err
		}
	}
	fmt.Fprintln(t.out)
	names = []string{"COMPONENT", "PHASE", "REASON", "ELEMENT", "RESOURCE", "AGE", "NOTE"}
	if t.wide {
		names = []string{"COMPONENT", "PHASE", "REASON", "ELEMENT", "RESOURCE", "AGE", "STATUS", "CLUSTER", "ENTITY", "NOTE", "MESSAGE"}
	}
	t.fit(names)
	for _, c := range v.Components {
		t.fit(t.cells(c))
	}
	if err := t.row(names, nil); err != nil {
		return err
	}
	return t.changed(v)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// changed prints the components that are not as they were printed last.
func (t *statusTable) changed(v overview) error {
	for _, c := range v.Components {
		cells := t.cells(c)
		print := strings.Join(slices.Concat(cells[:5], cells[6:]), "\t")
		if t.shown[c.ID] == print {
			continue
		}
		t.shown[c.ID] = print
		if err := t.row(cells, func(column int, cell string) string {
			if column == 1 {
				return painted(cell)
			}
			return cell
		}); err != nil {
			return err
		}
	}
	return nil
}

func (t *statusTable) cells(c componentOverview) []string {
	resource, age := "-", "-"
	if c.Resource != nil {
		resource = c.Resource.Kind + "/" + c.Resource.Name
	}
	if c.At != nil {
		age = ago(t.now().Sub(*c.At))
	}
	note := c.Note
	if c.Paused && c.Reason != reasonPaused {
		note = strings.TrimPrefix(note+", paused", ", ")
	}
	element := strings.TrimPrefix(c.Element, "urn:ngsi-ld:InfrastructureElement:")
	cells := []string{c.Short, c.Phase, orDash(c.Reason), orDash(element), resource, age}
	if t.wide {
		return append(cells, orDash(c.Status), orDash(c.Cluster), c.ID, orDash(note), c.Message)
	}
	return append(cells, note)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// watch prints what changes until ctx ends. While the broker does not answer nothing
// is said of components, only that.
func (t *statusTable) watch(ctx context.Context, s *sight) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for away := s.noBroker != nil; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		before := s.entities
		s.readBroker(ctx)
		if lost := s.noBroker != nil; lost != away && ctx.Err() == nil {
			away = lost
			if err := t.heard(s.noBroker); err != nil {
				return err
			}
		}
		if s.noBroker != nil {
			s.entities = before
			continue
		}
		v := s.overview(ctx)
		for _, id := range goneFrom(before, s.entities) {
			if _, err := fmt.Fprintf(t.out, "%s is gone from the broker\n", short(id)); err != nil {
				return err
			}
		}
		if err := t.changed(v); err != nil {
			return err
		}
	}
}

// heard says that the broker is lost, or, without a reason, that it is back.
func (t *statusTable) heard(lost error) error {
	line := "the broker answers again"
	if lost != nil {
		line = lost.Error() + "; nothing new is seen until it answers"
	}
	_, err := fmt.Fprintln(t.out, line)
	return err
}

func goneFrom(before, now map[ngsild.EntityID]ngsild.Entity) []ngsild.EntityID {
	var gone []ngsild.EntityID
	for _, id := range sortedIDs(before) {
		if _, there := now[id]; !there {
			gone = append(gone, id)
		}
	}
	return gone
}
