package agent

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/hlo-agent/hlo-agent/mapping"
)

func whyCommand(o *operator) *cobra.Command {
	return &cobra.Command{
		Use: "why ID", Short: "Say in plain words why a component is not Running, and what would help", Args: components(1),
		Long: "One paragraph on where a component stands, why, and what would help. It is read from broker and cluster, and by a\n" +
			"dry run of what would be applied, so it holds while no agent runs. ID may be the end of the id, SERVICE/COMPONENT,\n" +
			"or the name of the resource. Exit 0 when the component runs or is done, 2 when it does not,\n" +
			"1 when broker or cluster could not be looked at.",
		Example:           "  hlo-agent why web\n  hlo-agent why shop/web",
		ValidArgsFunction: o.complete,
		RunE: func(cmd *cobra.Command, words []string) error {
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
			for _, note := range s.unseen() {
				fmt.Fprintln(cmd.ErrOrStderr(), "note:", note)
			}
			fmt.Fprintln(cmd.OutOrStdout(), s.paragraph(c))
			if err := s.complain(nil); err != nil {
				return err
			}
			if !c.well() {
				return exitDifferent
			}
			return nil
		},
	}
}

// well says whether a component is where somebody wants it to be.
func (c *seen) well() bool {
	return c.problem == nil && c.now.Reason != seenBrokerAway && (c.now.Phase == mapping.Running || c.now.Phase == mapping.Succeeded || c.now.Reason == reasonRemoved)
}

// paragraph says where a component stands, why, and what would help.
func (s *sight) paragraph(c *seen) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is %s", short(c.id), c.now.Phase)
	words, x := s.words(c), explained(c.now.Reason, c.now.Message)
	if c.well() {
		x = explanation{}
	}
	if c.well() && c.now.Name != "" {
		fmt.Fprintf(&b, " as %s in the cluster %s", words.Replace("{resource}"), c.now.Cluster)
	}
	if since := s.since(c); since != "" {
		fmt.Fprintf(&b, ", reported %s ago", since)
	}
	if x.why != "" {
		fmt.Fprintf(&b, " (%s): %s", c.now.Reason, words.Replace(x.why))
	}
	b.WriteString(".")
	if c.now.Message != "" && !equalFold(c.now.Message, string(c.now.Phase)) {
		fmt.Fprintf(&b, " %s", sentence(hideText(c.now.Message)))
	}
	if x.help != "" {
		fmt.Fprintf(&b, " What would help: %s.", words.Replace(x.help))
	}
	s.besides(&b, c)
	return b.String()
}

// besides adds what is true at the same time and matters.
func (s *sight) besides(b io.Writer, c *seen) {
	if c.paused && c.now.Reason != reasonPaused {
		fmt.Fprintf(b, " It is paused besides: `%s resume %s` lets it go on.", s.program, short(c.id))
	}
	if c.want == elsewhere && c.now.Reason != seenElsewhere && c.now.Reason != seenNobodys {
		fmt.Fprint(b, s.whose(c))
	}
	if c.note != "" {
		fmt.Fprintf(b, " (%s.)", firstUpper(c.note))
	}
}

// whose says which agent looks after a component that is not ours.
func (s *sight) whose(c *seen) string {
	if c.input.Element != nil {
		return s.words(c).Replace(" It is on {element} of the domain {domain}, whose agent reports on it.")
	}
	if handler := s.handler(c.input.Service); handler != "" {
		return fmt.Sprintf(" The agent of the domain %s, which handles its service, looks after it.", lastOf(string(handler)))
	}
	return " No agent looks after it: its service names no domainHandler, and no Domain in the broker is the entry point (isEntrypoint)."
}

func (s *sight) since(c *seen) string {
	if c.entity.Observed.IsZero() || c.now.Phase != c.said.Phase {
		return ""
	}
	return ago(s.now().Sub(c.entity.Observed))
}

// ago is a time span as people say it: the largest unit, and the next one.
func ago(d time.Duration) string {
	switch d = max(d, 0).Round(time.Second); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// sentence makes a message one: it begins with a large letter and ends with a stop.
func sentence(text string) string {
	text = firstUpper(strings.TrimSpace(text))
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

func firstUpper(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}
