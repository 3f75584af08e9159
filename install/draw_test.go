package install_test

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var legendPart = regexp.MustCompile(`\{\{(\w+)\}\}`)

// draw writes a page with a graph for each panel, for people to look at: dashboard.html in the folder.
func draw(t *testing.T, folder string, all []panel, graphs map[string][][]series) {
	t.Helper()
	var page strings.Builder
	page.WriteString(`<!doctype html><meta charset="utf-8"><title>hlo-agent</title><style>
body{font:13px sans-serif;background:#f4f5f5;margin:12px;display:grid;grid-template-columns:repeat(3,1fr);gap:10px}
section{background:#fff;padding:8px;border:1px solid #ddd}h2{font-size:13px;margin:0 0 4px}svg{width:100%;height:150px;background:#fafafa}
p{margin:2px 0;color:#555;font-size:11px}i{font-style:normal;font-weight:bold}</style>`)
	for _, p := range all {
		fmt.Fprintf(&page, "<section><h2>%s</h2>", html.EscapeString(p.Title))
		drawPanel(&page, p, graphs[p.Title])
		page.WriteString("</section>\n")
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "dashboard.html"), []byte(page.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func drawPanel(page *strings.Builder, p panel, targets [][]series) {
	colours := []string{"#3274d9", "#e0b400", "#37872d", "#c4162a", "#8f3bb8", "#ff780a", "#1f9e9e", "#777"}
	type line struct {
		name   string
		values [][2]float64
	}
	var lines []line
	first, last, most := 0.0, 0.0, 0.0
	for i, found := range targets {
		for _, s := range found {
			l := line{name: legendPart.ReplaceAllStringFunc(p.Targets[i].LegendFormat, func(part string) string { return s.Metric[strings.Trim(part, "{}")] })}
			for _, v := range s.Values {
				at, _ := v[0].(float64)
				value, err := strconv.ParseFloat(fmt.Sprint(v[1]), 64)
				if err != nil || value != value {
					continue
				}
				if first == 0 || at < first {
					first = at
				}
				last, most = max(last, at), max(most, value)
				l.values = append(l.values, [2]float64{at, value})
			}
			lines = append(lines, l)
		}
	}
	if p.Type == "stat" {
		for _, l := range lines {
			if len(l.values) > 0 {
				fmt.Fprintf(page, `<p style="font-size:26px"><i>%.4g</i> %s</p>`, l.values[len(l.values)-1][1], html.EscapeString(l.name))
			}
		}
		return
	}
	page.WriteString(`<svg viewBox="0 0 400 150" preserveAspectRatio="none">`)
	for i, l := range lines {
		var points strings.Builder
		for _, v := range l.values {
			fmt.Fprintf(&points, "%.1f,%.1f ", 400*(v[0]-first)/max(last-first, 1), 145-140*v[1]/max(most, 1e-9))
		}
		fmt.Fprintf(page, `<polyline fill="none" stroke="%s" stroke-width="2" vector-effect="non-scaling-stroke" points="%s"/>`, colours[i%len(colours)], points.String())
	}
	fmt.Fprintf(page, `</svg><p>up to <i>%.4g</i> in %.0f s</p>`, most, last-first)
	for i, l := range lines {
		fmt.Fprintf(page, `<p style="color:%s">%s</p>`, colours[i%len(colours)], html.EscapeString(l.name))
	}
}
