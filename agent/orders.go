package agent

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// attrReconcile on an entity is changed by whoever wants the component looked at
// now: any change of an entity leads to a pass. Its value is when that was.
const attrReconcile = "reconcileRequestedAt"

func reconcileCommand(o *operator) *cobra.Command {
	return o.order(&cobra.Command{
		Use: "reconcile ID...", Short: "Have a running agent look at components now",
		Long: "Writes the time into the property " + attrReconcile + " of each component, of which the broker tells the agent.\n" +
			"What waits, or is tried again with pauses, is looked at then; what is as it should be is left alone.",
		Example: "  hlo-agent reconcile web\n  hlo-agent reconcile urn:ngsi-ld:Service:shop:Component:web",
	}, attrReconcile, func() any { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") },
		"asked for: a running agent looks at it now, and `why` says what comes of it")
}

func pauseCommand(o *operator) *cobra.Command {
	return o.order(&cobra.Command{
		Use: "pause ID...", Short: "Stop every change to the resources of components; their state is still reported",
		Long: "Sets the property " + attrPaused + " of each component to true. Its resources are left as they are, whatever is\n" +
			"ordered or edited, until `resume`. The order counts while no agent runs, too.",
		Example: "  hlo-agent pause web",
	}, attrPaused, func() any { return true }, "paused: its resources are left as they are")
}

func resumeCommand(o *operator) *cobra.Command {
	return o.order(&cobra.Command{
		Use: "resume ID...", Short: "Let the agent change the resources of components again",
		Long:    "Sets the property " + attrPaused + " of each component to false. What was ordered meanwhile is carried out.",
		Example: "  hlo-agent resume web",
	}, attrPaused, func() any { return false }, "resumed: what was ordered meanwhile is carried out")
}

// order completes a command that writes one property of the components that are
// named, all of which must be there before the first is written.
func (o *operator) order(cmd *cobra.Command, name string, value func() any, done string) *cobra.Command {
	cmd.Args = components(-1)
	cmd.ValidArgsFunction = o.complete
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		cfg, client, err := o.reach(cmd)
		if err != nil {
			return err
		}
		var ids []entityID
		for _, word := range words {
			e, err := findInBroker(cmd.Context(), &cfg.Config, client, word)
			if err != nil {
				return err
			}
			ids = append(ids, e.ID)
		}
		for _, id := range ids {
			attr := map[string]any{name: map[string]any{"type": "Property", "value": value()}}
			if err := client.Merge(cmd.Context(), id, attr); err != nil {
				return fmt.Errorf("%s of %s: %w", name, id, ofBroker(&cfg.Config, err))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", short(id), done)
		}
		return nil
	}
	return cmd
}
