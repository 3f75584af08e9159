package llo

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestMembers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`{}`:              nil,
		` { } `:           nil,
		`{"a":1}`:         {"a=1"},
		`{"a":1,"b":"x"}`: {"a=1", `b="x"`},
		"\n{ \"a\" :\t[1, {\"b\":2}] ,\r\n\"c\":null }": {`a=[1, {"b":2}]`, "c=null"},
		`{"a":"}\"]{","b":"\\"}`:                        {`a="}\"]{"`, `b="\\"`},
		`{"é\u0041\"":-1.5e3,"":true}`:                  {`éA"=-1.5e3`, "=true"},
		"{\"a\xe5\xc5b\":1}":                            {"a\ufffd\ufffdb=1"},
		`{"a":{"a":{"a":[]}}} {"b":2}`:                  {`a={"a":{"a":[]}}`},
	} {
		var got []string
		err := members(text, func(key, value string) error {
			got = append(got, plain(key)+"="+value)
			return nil
		})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
}

func TestMembersOfWhatIsNotJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		``: io.ErrUnexpectedEOF, `{`: io.ErrUnexpectedEOF, `{"`: io.ErrUnexpectedEOF, `{"a`: io.ErrUnexpectedEOF,
		`{"a"`: io.ErrUnexpectedEOF, `{"a":`: io.ErrUnexpectedEOF, `{"a":"`: io.ErrUnexpectedEOF,
		`{"a":"\`: io.ErrUnexpectedEOF, `{"a":1`: io.ErrUnexpectedEOF, `{"a":1,`: io.ErrUnexpectedEOF,
		`{"a":[`: io.ErrUnexpectedEOF, `{"a":["`: io.ErrUnexpectedEOF, `{"a":{"b":1}`: io.ErrUnexpectedEOF,
		`[]`: errNotJSON, `x`: errNotJSON, `{a:1}`: errNotJSON, `{"a" 1}`: errNotJSON, `{"a":}`: errNotJSON,
		`{"a":1 "b":2}`: errNotJSON, `{"a":1;`: io.ErrUnexpectedEOF, `{,}`: errNotJSON, `{"a":]}`: errNotJSON,
	} {
		if err := members(text, func(string, string) error { return nil }); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
	stop := errors.New("stop")
	if err := members(`{"a":1,"b":2}`, func(key, _ string) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error of visit: %v", err)
	}
	if err := elements(`{}`, func(string) error { return nil }); !errors.Is(err, errNotJSON) {
		t.Errorf("elements of a map: %v", err)
	}
}

// FuzzMembers: what the decoder takes, members takes, and finds the same in it.
func FuzzMembers(f *testing.F) {
	f.Add(`{"a":1,"b":{"c":["x",{}]},"d\n":"\u00e9\\"}`)
	f.Add(` {"a" : null , "":[[],[{}]]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var want map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &want) != nil || want == nil {
			return
		}
		got := map[string]json.RawMessage{}
		if err := members(text, func(key, value string) error {
			got[plain(key)] = json.RawMessage(value)
			return nil
		}); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q:\n%s", text, diff)
		}
	})
}

func TestFrame(t *testing.T) {
	t.Parallel()
	text := "{\"a\":1}\n\n{\n \"b\": \"x\\\"{\",\n \"c\": [\n]\n}\n{\"d\":2}\n{\"cut"
	for name, source := range map[string]io.Reader{
		"at once": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text)),
	} {
		lines := bufio.NewReaderSize(source, 16)
		var got []string
		var err error
		for err == nil {
			var document string
			if document, err = frame(lines); err == nil {
				got = append(got, strings.Join(strings.Fields(document), ""))
			}
		}
		if diff := cmp.Diff([]string{`{"a":1}`, `{"b":"x\"{","c":[]}`, `{"d":2}`}, got); diff != "" || !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	endless := bufio.NewReader(io.MultiReader(strings.NewReader(`{"a":"`), strings.NewReader(strings.Repeat("x", maxEvent+1))))
	if _, err := frame(endless); !errors.Is(err, errNotJSON) {
		t.Errorf("event without end: %v", err)
	}
}
