package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// manyNames is how many components an error names at most.
const manyNames = 8

// find gives the component that somebody means by a word: its id, the end of that
// after a colon, SERVICE/COMPONENT, or the name of its resource. names are those of
// the resources.
func find(ids []ngsild.EntityID, names map[ngsild.EntityID]string, word string) (ngsild.EntityID, error) {
	if slices.Contains(ids, ngsild.EntityID(word)) {
		return ngsild.EntityID(word), nil
	}
	var found []ngsild.EntityID
	for _, id := range ids {
		if short(id) == word || strings.HasSuffix(string(id), ":"+word) || names[id] == word {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("no ServiceComponent is called %q%s", word, meant(ids, word))
	}
	return "", fmt.Errorf("%q may be one of %d ServiceComponents%s", word, len(found), someOf(": ", found))
}

// meant says which components somebody may mean by a word that is the name of none.
func meant(ids []ngsild.EntityID, word string) string {
	var of, like []ngsild.EntityID
	for _, id := range ids {
		service, _, _ := strings.Cut(string(id), ":Component:")
		if service == word || strings.HasPrefix(short(id), word+"/") {
			of = append(of, id)
		} else if strings.Contains(string(id), word) {
			like = append(like, id)
		}
	}
	switch {
	case len(of) > 0:
		return someOf("; it is a service, and its components are ", of)
	case len(like) > 0:
		return someOf("; perhaps one of these is meant: ", like)
	}
	return someOf("; there are ", ids)
}

func someOf(before string, ids []ngsild.EntityID) string {
	if len(ids) == 0 {
		return ": there are none"
	}
	var names []string
	for _, id := range ids[:min(len(ids), manyNames)] {
		names = append(names, short(id))
	}
	if len(ids) > manyNames {
		names = append(names, "…")
	}
	return before + strings.Join(names, ", ")
}

// short is an id in the form SERVICE/COMPONENT or, where it has another shape, what
// stands after its last colon.
func short(id ngsild.EntityID) string {
	service, component, ok := strings.Cut(string(id), ":Component:")
	if !ok {
		return lastOf(string(id))
	}
	return lastOf(service) + "/" + component
}

func lastOf(id string) string { return id[strings.LastIndexByte(id, ':')+1:] }

// components checks that a command is given as many components as it wants; at least one if that is negative.
func components(want int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, words []string) error {
		if len(words) == want || want < 0 && len(words) > 0 {
			return nil
		}
		return fmt.Errorf("%s: %d names were given; `%s status` lists the components", cmd.UseLine(), len(words), cmd.Root().DisplayName())
	}
}

// findInBroker is find among the components that the broker holds.
func findInBroker(ctx context.Context, cfg *Config, client *ngsild.Client, word string) (ngsild.Entity, error) {
	entities, err := listComponents(ctx, cfg, client)
	if err != nil {
		return ngsild.Entity{}, err
	}
	names := map[ngsild.EntityID]string{}
	for id, e := range entities {
		names[id] = reported(&e).Name
	}
	id, err := find(sortedIDs(entities), names, word)
	if err != nil {
		return ngsild.Entity{}, fmt.Errorf("%s: %w", brokerName(cfg), err)
	}
	return entities[id], nil
}

// listComponents reads all components that the broker holds itself.
func listComponents(ctx context.Context, cfg *Config, client *ngsild.Client) (map[ngsild.EntityID]ngsild.Entity, error) {
	entities := map[ngsild.EntityID]ngsild.Entity{}
	_, err := client.List(ctx, ngsild.Query{Types: []string{typeComponent}, Local: true}, func(page []ngsild.Entity) error {
		for _, e := range page {
			entities[e.ID] = e
		}
		return nil
	})
	if err != nil && len(entities) == 0 {
		return nil, ofBroker(cfg, err)
	}
	return entities, nil
}

// complete gives the ids of components to a shell.
func (o *operator) complete(cmd *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	cfg, client, err := o.reach(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	entities, err := listComponents(cmd.Context(), &cfg.Config, client)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var words []string
	for _, id := range sortedIDs(entities) {
		if strings.HasPrefix(short(id), word) {
			words = append(words, cobra.CompletionWithDesc(short(id), string(reported(new(entities[id])).Phase)))
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
