package claims

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	some := map[string]float64{"ram": 1}
	mine := Claims{{Who: "m", For: "c1", Element: "e1", Amounts: some}, {Who: "m", For: "c2", Element: "e2"}}
	for name, c := range map[string]struct {
		other   Claim
		counted Counted
		want    Verdict
	}{
		"elsewhere":                    {Claim{Who: "a", For: "x", Element: "e3", Amounts: some, Firm: true}, nil, Take},
		"on an element of no amount":   {Claim{Who: "a", For: "x", Element: "e2", Amounts: some, Firm: true}, nil, Take},
		"nothing":                      {Claim{Who: "a", For: "x", Element: "e1", Firm: true}, nil, Take},
		"our own":                      {Claim{Who: "m", For: "c1", Element: "e1", Amounts: some}, nil, Take},
		"counted":                      {Claim{Who: "a", For: "x", Element: "e1", Amounts: some, Firm: true}, Counted{"x": {"e1"}}, Take},
		"counted elsewhere":            {Claim{Who: "z", For: "x", Element: "e1", Amounts: some, Firm: true}, Counted{"x": {"e2"}}, Yield},
		"firm, and of a larger name":   {Claim{Who: "z", For: "x", Element: "e1", Amounts: some, Firm: true}, nil, Yield},
		"a claim of a smaller name":    {Claim{Who: "a", For: "x", Element: "e1", Amounts: some}, nil, Yield},
		"a claim of a larger name":     {Claim{Who: "z", For: "x", Element: "e1", Amounts: some}, nil, Wait},
		"a component that moves there": {Claim{Who: "z", For: "x", Element: "e1", Amounts: some}, Counted{"x": {"e0"}}, Wait},
	} {
		if got := Compare(mine, c.counted, Claims{{For: "y", Element: "e9"}, c.other}); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

// TestNeverTwice plays choosers step by step in random order, each with reads and writes of its own, on elements with
// room for one: nobody may be given what another has, and in the end everybody has something.
func TestNeverTwice(t *testing.T) {
	t.Parallel()
	met := 0
	for seed := range uint64(5000) {
		random := rand.New(rand.NewPCG(seed, 1))
		choosers := 2 + random.IntN(4)
		shared := map[string]Claim{} // the broker, by For
		read := func() Claims {
			var all Claims
			for _, name := range slices.Sorted(maps.Keys(shared)) {
				all = append(all, shared[name])
			}
			return all
		}
		type chooser struct {
			step    int
			counted Claims
			mine    Claim
		}
		all := make([]chooser, choosers)
		for n, done := 0, 0; done < choosers && n < 10_000; n++ {
			i := random.IntN(choosers)
			c := &all[i]
			name := fmt.Sprint("c", i)
			switch c.step {
			case 0: // read, and choose: the first element that nobody has claimed
				c.counted = slices.DeleteFunc(read(), func(o Claim) bool { return o.For == name })
				c.step = 1
				sums := c.counted.Sums()
				c.mine = Claim{}
				for e := range choosers {
					if id := fmt.Sprint("e", e); sums[id] == nil {
						c.mine = Claim{Who: name, For: name, Element: id, Amounts: map[string]float64{"ram": 1}}
						break
					}
				}
				if c.mine.Element == "" {
					c.step = 0 // tried again later
				}
			case 1: // claim
				shared[name] = c.mine
				c.step = 2
			case 2: // compare
				switch Compare(Claims{c.mine}, c.counted.Counted(), read()) {
				case Take:
					c.step = 3
				case Yield:
					met++
					delete(shared, name)
					c.step = 0
				case Wait:
					met++
				}
			case 3: // take it
				c.mine.Firm = true
				shared[name] = c.mine
				c.step, done = 4, done+1
			}
		}
		taken := map[string]string{}
		for name, c := range shared {
			if !c.Firm {
				t.Fatalf("seed %d: %s has nothing", seed, name)
			}
			if other := taken[c.Element]; other != "" {
				t.Fatalf("seed %d: %s has both %s and %s", seed, c.Element, name, other)
			}
			taken[c.Element] = name
		}
		if len(shared) != choosers {
			t.Fatalf("seed %d: %d of %d have something", seed, len(shared), choosers)
		}
	}
	if met < 1000 {
		t.Errorf("they met %d times: too few to show anything", met)
	}
}
