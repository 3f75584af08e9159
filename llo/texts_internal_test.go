package llo

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

func TestTextsAreCutOut(t *testing.T) {
	t.Parallel()
	hidden := TextsIn(map[string]any{
		"plain": "hunter01", "short": "x", "quotes": "a \"b\"\n", "address": "amqp://robot:hunter02@queue", "argument": "--password=hunter03",
		"document": `{"a": ["hunter04", {"b": "hunter05"}]}`, "encoded": "eyJhdXRocyI6eyJoIjp7ImF1dGgiOiJjbTlpYjNRNmFIVnVkR1Z5TURZPSJ9fX0=", "lines": "A=1\nB='hunter07'\n",
	})
	for message, want := range map[string]string{
		"hunter01 is not hunter02, hunter03, hunter04": "[…] is not […], […], […]",
		"hunter05 and hunter06 and hunter07":           "[…] and […] and […]",
		`"x" is no box; "a \"b\"\n" and aHVudGVyMDE=`:  `"[…]" is no box; "[…]" and […]`,
		"nothing of it": "nothing of it",
	} {
		if got := hidden.CutFrom(message); got != want {
			t.Errorf("%q becomes %q, want %q", message, got, want)
		}
	}
}

// TestDemandsRepeatNothing: admission says in causes and paths what it likes.
func TestDemandsRepeatNothing(t *testing.T) {
	t.Parallel()
	hidden := Texts{"hunter01"}
	status := metav1.Status{Code: http.StatusUnprocessableEntity, Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{
		{Type: metav1.CauseTypeFieldValueRequired, Field: "spec.a", Message: "Required value: not hunter01"},
		{Type: metav1.CauseTypeFieldValueInvalid, Field: "spec.b", Message: "spec.b in body must not be hunter01"},
	}}}
	if got, want := messageOf(status, hidden), "spec.a: required value: not […]; spec.b: invalid value: must not be […]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	status = metav1.Status{Message: untyped + ` (a/b; v1, Kind=C): .spec.list[="a hunter01.b"]: field not declared in schema`}
	if got, want := messageOf(status, hidden), "spec.list[=[…]]: field not declared in schema"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestWarningsAndRefusalsOfWhatIsThere: the API server may repeat what was sent and what is there.
func TestWarningsAndRefusalsOfWhatIsThere(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Warning", `299 - "mind hunter01"`)
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"hunter01 must stay"}`))
	}))
	t.Cleanup(server.Close)
	var logged bytes.Buffer
	c, err := New(Config{REST: &rest.Config{Host: server.URL}, Owner: "o", Manager: "m", Log: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	live := &Live{raw: `{"spec":{"password":"hunter01"}}`}
	_, err = c.conn().do(t.Context(), request{verb: "delete", method: http.MethodDelete, path: []string{"x"}, hidden: live.hidden})
	if err = classify("delete", Key{}, err, false, live.hidden()); !errors.Is(err, ErrRetry) || !strings.HasSuffix(err.Error(), "[…] must stay") {
		t.Errorf("%v, want it without what is there", err)
	}
	if text := logged.String(); !strings.Contains(text, `warning="mind […]"`) || strings.Contains(text, "hunter01") {
		t.Errorf("logged: %s", text)
	}
}
