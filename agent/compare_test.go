package agent

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func parsedObject(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	if text == "" {
		return nil
	}
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ now, next, want string }{
		"nothing": {
			"{metadata: {name: a, resourceVersion: '1', managedFields: [{manager: m}]}, spec: {x: 1}, status: {phase: Running}}",
			"{metadata: {name: a, resourceVersion: '2', generation: 2}, spec: {x: 1}}", "",
		},
		"values and types": {
			"{spec: {a: 1, b: <&>, c: [1, 2], d: {e: f}}}", "{spec: {a: '1', b: z, c: [1, 3, 4], d: g}}",
			`spec.a: 1 -> "1"
spec.b: "<&>" -> "z"
spec.c[1]: 2 -> 3
spec.c[2]: + 4
spec.d: {"e":"f"} -> "g"`,
		},
		"a new object": {"", "{metadata: {labels: {hlo-agent.github.io/owner: a}}, spec: {x: {}}}",
			`metadata.labels["hlo-agent.github.io/owner"]: + "a"
spec.x: + {}`},
		"credentials": {
			`{spec: {imageRegistry: {username: u, password: hunter1}, secretName: s, envVars: [{key: DB_PASSWORD, value: hunter1}, {key: MODE, value: a}],
			 containers: [{env: [{name: API_TOKEN, value: hunter1}], args: [--password=hunter1, --password, hunter1, --url, "https://u:hunter1@h/p"]}], networkOverlay: {privateKey: hunter1, publicKey: k}}}`,
			`{spec: {imageRegistry: {username: v, password: hunter2}, secretName: t, envVars: [{key: DB_PASSWORD, value: hunter2}, {key: MODE, value: b}],
			 containers: [{env: [{name: API_TOKEN, value: hunter2}], args: [--password=hunter2, --password, hunter2, --url, "https://u:hunter2@h/p"]}], networkOverlay: {privateKey: hunter2, publicKey: l}}}`,
			`spec.containers[0].args[0]: "--password=[redacted]" -> another "--password=[redacted]"
spec.containers[0].args[2]: "[redacted]" -> another "[redacted]"
spec.containers[0].args[4]: "[redacted]" -> another "[redacted]"
spec.containers[0].env[0].value: "[redacted]" -> another "[redacted]"
spec.envVars[0].value: "[redacted]" -> another "[redacted]"
spec.envVars[1].value: "a" -> "b"
spec.imageRegistry.password: "[redacted]" -> another "[redacted]"
spec.imageRegistry.username: "u" -> "v"
spec.networkOverlay.privateKey: "[redacted]" -> another "[redacted]"
spec.networkOverlay.publicKey: "k" -> "l"
spec.secretName: "s" -> "t"`,
		},
		"Secrets, and those inside": {
			"{kind: Secret, data: {a: hunter1}, stringData: {b: hunter1}, type: x}", "{kind: Secret, data: {a: hunter2, c: hunter2}, stringData: {b: hunter2}, type: z}",
			`data.a: "[redacted]" -> another "[redacted]"
data.c: + "[redacted]"
stringData.b: "[redacted]" -> another "[redacted]"
type: "x" -> "z"`,
		},
		"inside of another object": {
			"{spec: {manifests: [{kind: Secret, data: {a: hunter1}}]}}", "{spec: {manifests: [{kind: Secret, data: {a: hunter2}}]}}",
			`spec.manifests[0].data.a: "[redacted]" -> another "[redacted]"`,
		},
		"documents in a text": {
			`{spec: {values: "{\"auths\": \"hunter1\"}", plain: "{}"}}`, `{spec: {values: "{\"auths\": \"hunter2\"}", plain: "{\"a\": 1}"}}`,
			`spec.plain: "{}" -> "{\"a\": 1}"
spec.values: "[redacted]" -> another "[redacted]"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, d := range differences(parsedObject(t, c.now), parsedObject(t, c.next)) {
				got = append(got, d.String())
			}
			if diff := cmp.Diff(c.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			for _, d := range got {
				if name != "nothing" && (strings.Contains(d, "hunter")) {
					t.Errorf("a credential is printed: %s", d)
				}
			}
		})
	}
}
