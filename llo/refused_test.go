package llo_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/llo"
)

// TestInvalidObjects: what the API server refuses is told with field and reason,
// and without any value that was sent.
func TestInvalidObjects(t *testing.T) {
	const secret = "p4ss:word \"in body\" supported values: hunter2"
	w := newWorld(t)
	c := w.run()
	for name, test := range map[string]struct {
		change func(map[string]any)
		want   string
	}{
		"number": {
			set([]any{map[string]any{"number": int64(70000), "protocol": "TCP"}}, "spec", "ports"),
			"spec.ports[0].number: invalid value: should be less than or equal to 65535",
		},
		"word": {
			set([]any{map[string]any{"number": int64(80), "protocol": secret}}, "spec", "ports"),
			`spec.ports[0].protocol: unsupported value: supported values: "TCP", "UDP", "SCTP"`,
		},
		"two fields": {
			set([]any{map[string]any{"number": int64(0), "protocol": secret}}, "spec", "ports"),
			`spec.ports[0].number: invalid value: should be greater than or equal to 1; ` +
				`spec.ports[0].protocol: unsupported value: supported values: "TCP", "UDP", "SCTP"`,
		},
		"text for a number": {
			set([]any{map[string]any{"number": secret}}, "spec", "ports"),
			"spec.ports[0].number: expected numeric (int or float)",
		},
		"map for a text": {
			set(map[string]any{"x": secret}, "spec", "imageRegistry", "password"),
			"spec.imageRegistry.password: expected string",
		},
		"text for a map": {
			set(secret, "spec", "imageRegistry"),
			"spec.imageRegistry: expected map",
		},
		"unknown field": {
			set(secret, "spec", "passwort"),
			"spec.passwort: field not declared in schema",
		},
		"two unknown fields": {
			func(o map[string]any) {
				set(map[string]any{"passwort": secret}, "spec", "imageRegistry")(o)
				set(map[string]any{"x": secret}, "spec", "selectedIE")(o)
			},
			"spec.imageRegistry.passwort: field not declared in schema; spec.selectedIE.x: field not declared in schema",
		},
		"name": {
			set("Not_Valid", "metadata", "name"),
			`metadata.name: invalid value: "Not_Valid": a lowercase RFC 1123 subdomain must consist of lower case ` +
				`alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character ` +
				`(e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
		},
		"no name":        {set(nil, "metadata", "name"), "metadata.name: no name"},
		"name of a path": {set("..", "metadata", "name"), `metadata.name: name "..": may not be '..'`},
		"no namespace":   {set(nil, "metadata", "namespace"), "metadata.namespace: no name"},
		"no entity":      {set(nil, "metadata", "annotations", llo.EntityAnnotation), "no annotation " + llo.EntityAnnotation},
		"no labels' map": {func(o map[string]any) { o["metadata"].(map[string]any)["labels"] = secret }, "metadata: labels and annotations must be maps"},
		"no JSON at all": {func(o map[string]any) { o["spec"] = func() {} }, "cannot be written as JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			o := w.component("a")
			set(secret, "spec", "networkOverlay", "privateKey")(o.Object)
			test.change(o.Object)
			_, err := c.Apply(t.Context(), o)
			var own *llo.Error
			if !errors.Is(err, llo.ErrInvalid) || !errors.As(err, &own) {
				t.Fatalf("apply: %v, want ErrInvalid", err)
			}
			if own.Message != test.want {
				t.Errorf("message\n%s\nwant\n%s", own.Message, test.want)
			}
			for _, part := range []string{"hunter2", "p4ss", "70000"} {
				if strings.Contains(err.Error(), part) {
					t.Errorf("%q shows in %v", part, err)
				}
			}
		})
	}
	if n := w.log.count("hunter2"); n > 0 {
		t.Errorf("the secret was logged:\n%s", w.log.text.String())
	}
}

// TestRefusals: what is no fault of the object is to be tried again.
func TestRefusals(t *testing.T) {
	status := func(line, status string) string {
		return "HTTP/1.1 " + line + "\r\nContent-Type: application/json\r\n\r\n" + `{"kind":"Status","apiVersion":"v1","status":"Failure",` + status + `}`
	}
	for name, test := range map[string]struct {
		answer  string
		want    error
		message string
	}{
		"RBAC": {
			status("403 Forbidden", `"reason":"Forbidden","code":403,"message":"servicecomponentk8s is forbidden: User \"u\" cannot patch resource"`),
			llo.ErrRetry, `servicecomponentk8s is forbidden: User "u" cannot patch resource`,
		},
		"admission": {
			status("403 Forbidden", `"reason":"Forbidden","code":403,"message":"admission webhook \"w\" denied the request: image secret-image:1 with \"ab\" and a \\\"b\\\" is not allowed"`),
			llo.ErrRetry, `admission webhook "w" denied the request: image […] with "[…]" and […] is not allowed`,
		},
		"too many":       {status("429 Too Many Requests", `"reason":"TooManyRequests","code":429,"message":"slow down"`), llo.ErrRetry, "slow down"},
		"server's fault": {status("500 Internal Server Error", `"reason":"InternalError","code":500,"message":"etcdserver: no leader"`), llo.ErrRetry, "etcdserver: no leader"},
		"unauthorized":   {"HTTP/1.1 401 Unauthorized\r\n\r\n", llo.ErrRetry, "the server has asked for the client to provide credentials"},
		"gateway":        {"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>", llo.ErrRetry, "an error on the server (\"<html>\") has prevented the request from succeeding"},
		"no such path":   {"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\n404 page not found", llo.ErrNoKind, "the server could not find the requested resource"},
		"no namespace": {
			status("404 Not Found", `"reason":"NotFound","code":404,"message":"namespaces \"x\" not found","details":{"kind":"namespaces","name":"x"}`),
			llo.ErrRetry, `namespaces "x" not found`,
		},
		"too large": {
			status("413 Request Entity Too Large", `"reason":"RequestEntityTooLarge","code":413,"message":"limit is 3145728"`),
			llo.ErrInvalid, "limit is 3145728",
		},
		"rule of the schema": {
			status("422 Unprocessable Entity", `"reason":"Invalid","code":422,"message":"secret-image:1","details":{"causes":[{"reason":"FieldValueInvalid","field":"spec","message":"Invalid value: \"object\": image secret-image:1 needs a digest"}]}`),
			llo.ErrInvalid, "spec: invalid value: image […] needs a digest",
		},
		"value without end": {
			status("422 Unprocessable Entity", `"reason":"Invalid","code":422,"message":"secret-image:1","details":{"causes":[{"reason":"FieldValueInvalid","field":"spec.image","message":"Invalid value: {\"a\":\"secret-image:1\"}: no"}]}`),
			llo.ErrInvalid, "spec.image: invalid value",
		},
		"demand that repeats a value": {
			status("422 Unprocessable Entity", `"reason":"Invalid","code":422,"message":"no","details":{"causes":[{"reason":"FieldValueRequired","field":"spec","message":"Required value: a digest in secret-image:1"},`+
				`{"reason":"FieldValueInvalid","field":"spec.image","message":"spec.image in body should not be secret-image:1"}]}`),
			llo.ErrInvalid, "spec.image: invalid value: should not be […]; spec: required value: a digest in […]",
		},
		"part of a value": {
			status("403 Forbidden", `"reason":"Forbidden","code":403,"message":"the password pa55word-1 of pa55word-2 and pa55word-3 is weak"`),
			llo.ErrRetry, "the password […] of […] and […] is weak",
		},
		"item of a list": {
			status("500 Internal Server Error", `"code":500,"message":"failed to create typed patch object (a/b; v1, Kind=C): .spec.list[=\"a pa55.word\"]: field not declared in schema"`),
			llo.ErrInvalid, `spec.list[=[…]]: field not declared in schema`,
		},
		"not an object": {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[]", llo.ErrRetry, "not the expected JSON: byte '[' at 0"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.run()
			w.wire.answerWith(test.answer)
			o := w.component("a", set("secret-image:1", "spec", "image"))
			set([]any{
				map[string]any{"key": "ab", "value": `a "b"`},
				map[string]any{"key": "document", "value": `{"a": {"password": "pa55word-1"}}`},
				map[string]any{"key": "address", "value": "amqp://robot:pa55word-2@queue"},
				map[string]any{"key": "argument", "value": "--password=pa55word-3"},
			}, "spec", "envVars")(o.Object)
			_, err := c.Apply(t.Context(), o)
			var own *llo.Error
			if !errors.Is(err, test.want) || !errors.As(err, &own) {
				t.Fatalf("apply: %v, want %v", err, test.want)
			}
			if own.Message != test.message {
				t.Errorf("message\n%s\nwant\n%s", own.Message, test.message)
			}
			w.wire.answerWith("")
			w.apply(c, o, llo.ActionCreated)
		})
	}
}

func TestWriteThatIsRefusedIsSentOnce(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	w.wire.answerWith("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n\r\n")
	w.wire.reset()
	if _, err := c.Apply(t.Context(), w.component("a")); !errors.Is(err, llo.ErrRetry) {
		t.Errorf("apply: %v, want ErrRetry", err)
	}
	w.wire.wantWrites(t, 1) // when to send it again is not decided here
}

func TestServerFieldsOfARenderedObjectAreNotSent(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	w.apply(c, w.component("a"), llo.ActionCreated)
	live := w.get(k8sKind, "a")
	set("Running", "status", "phase")(live.Object)
	again := w.apply(c, live, llo.ActionNone)
	if again.ResourceVersion != live.GetResourceVersion() {
		t.Errorf("result %+v", again)
	}
	w.wire.breakWith(func(r *http.Request) error { return errCut }, nil)
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
	if _, err := c.Apply(t.Context(), o); !errors.Is(err, llo.ErrInvalid) {
		t.Errorf("apply of an object without metadata: %v, want ErrInvalid", err)
	}
}

// TestWarnings: the API server may repeat in a warning what was sent, and what is there.
func TestWarnings(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	w.apply(c, w.component("a", set("the-old-pa55word", "spec", "imageRegistry", "password")), llo.ActionCreated)
	w.wire.answerWith("HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nWarning: 299 - \"mind the-new-pa55word and the-old-pa55word\"\r\n\r\n" +
		`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"not the-new-pa55word for the-old-pa55word"}`)
	_, err := c.Apply(t.Context(), w.component("a", set("the-new-pa55word", "spec", "imageRegistry", "password")))
	if want := "not […] for […]"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("apply: %v, want %q", err, want)
	}
	live, _ := c.Get(w.key("a"))
	for what, err := range map[string]error{"delete": c.Delete(t.Context(), live), "release": c.Release(t.Context(), live)} {
		if err == nil || strings.Contains(err.Error(), "the-old-pa55word") {
			t.Errorf("%s: %v, want it without what is there", what, err)
		}
	}
	if n := w.log.count("mind […] and […]"); n != 1 {
		t.Errorf("the warning was logged %d times:\n%s", n, w.log.text.String())
	}
	if n := w.log.count("old-pa55word"); n > 0 {
		t.Errorf("what is there was logged:\n%s", w.log.text.String())
	}
}
