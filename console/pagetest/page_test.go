package pagetest

import (
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

func TestTheGraphIsDrawn(t *testing.T) {
	w := newWorld(t, "jason")
	b := open(t, w.url(), "")
	require.Equal(t, "Overview · productpage-7d4f · mesh", eval[string](b, "document.title"))
	require.Equal(t, 1, eval[int](b, `document.querySelectorAll("g.box.client").length`))
	require.Equal(t, 4, eval[int](b, `document.querySelectorAll("g.box.route").length`))
	require.Equal(t, 1, eval[int](b, `document.querySelectorAll("g.box.split").length`))
	require.Equal(t, 3, eval[int](b, `document.querySelectorAll("g.box.subset").length`))
	require.Equal(t, 4+2+4+1, eval[int](b, `document.querySelectorAll("g.box.endpoint").length`), "eight of the twelve are summed up")
	require.Contains(t, eval[string](b, `document.querySelector("svg[role=img]").textContent`), "90 %")
	require.Contains(t, eval[string](b, `document.querySelector("svg[role=img] desc").textContent`), "4 rules lead to 3 destinations with 18 endpoints")
	require.Equal(t, "graph-title graph-text", eval[string](b, `document.querySelector("svg[role=img]").getAttribute("aria-labelledby")`))
	overlaps := `(() => {
		const boxes = [...document.querySelectorAll("g.box")].map(g => g.querySelector("rect,circle").getBoundingClientRect());
		return boxes.some((a, i) => boxes.some((b, j) => i < j && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom));
	})()`
	require.False(t, eval[bool](b, overlaps), "no box lies on another")
	sticksOut := `[...document.querySelectorAll("g.box text")].some(text => {
		const box = text.parentNode.querySelector("rect").getBoundingClientRect(), r = text.getBoundingClientRect();
		return r.width > 0 && (r.left < box.left || r.right > box.right + 1);
	})`
	require.False(t, eval[bool](b, sticksOut), "no text leaves its box")
}

// A reader sees an endpoint being ejected without loading the page again, and what
// he has under his fingers stays where it is.
func TestAnEndpointTurnsEjectedLive(t *testing.T) {
	w := newWorld(t, "jason")
	b := open(t, w.url(), "")
	b.until(`document.getElementById("pause-text").textContent === "live"`)
	b.updated()
	require.Equal(t, 0, eval[int](b, `document.querySelectorAll(".troubles li").length`))
	eval[bool](b, `window.same = true`)
	eval[bool](b, `(window.row = document.querySelector("table a")).focus() === undefined`)
	w.fails("10.0.1.3:9080")
	b.until(`/ejected until/.test(document.querySelector("svg[role=img]").textContent)`)
	b.until(`/1 of 4 endpoints ejected/.test(document.querySelector("[role=status]").textContent)`)
	require.True(t, eval[bool](b, `window.same`), "the page was not loaded again")
	require.True(t, eval[bool](b, `document.activeElement === window.row && document.contains(window.row)`), "the focus stays")
	require.Contains(t, eval[string](b, `document.querySelector(".events").innerText`), "ejected for 5m0s")

	w.bad.Store(true)
	b.until(`/not in force/.test(document.querySelector("[role=status]").textContent)`)
	b.visit("config")
	require.Contains(t, eval[string](b, `document.querySelector("[role=alert]").innerText`), "reviews.yaml:14")
}

func TestAPageCanBePaused(t *testing.T) {
	w := newWorld(t, "jason")
	b := open(t, w.url(), "decisions")
	b.updated()
	require.NoError(t, chromedp.Do(b.ctx, chromedp.Focus(chromedp.CSS("#pause"))))
	b.press(" ")
	b.until(`document.getElementById("pause").getAttribute("aria-pressed") === "true"`)
	before := eval[string](b, `document.querySelector("tbody tr").id`)
	w.send(3)
	b.press(" ")
	b.until(fmt.Sprintf(`document.querySelector("tbody tr").id !== %q`, before))
	require.Equal(t, "live", eval[string](b, `document.getElementById("pause-text").textContent`))
}

func TestAKeyboardIsEnough(t *testing.T) {
	w := newWorld(t, "jason")
	b := open(t, w.url(), "")
	b.press(kb.Tab)
	require.Equal(t, "skip", eval[string](b, `document.activeElement.className`))
	require.GreaterOrEqual(t, eval[float64](b, `document.activeElement.getBoundingClientRect().left`), 0.0, "what has the focus can be seen")
	b.press(kb.Enter)
	b.until(`document.activeElement.id === "main"`)
	// From there to the first decision, and into its story.
	for range 60 {
		b.press(kb.Tab)
		if eval[bool](b, `document.activeElement.matches("ol.brief a")`) {
			break
		}
		require.NotEqual(t, "none", eval[string](b, `getComputedStyle(document.activeElement).outlineStyle`), "every stop shows that it has the focus")
	}
	b.press(kb.Enter)
	b.until(`document.title.startsWith("Decision ")`)
	require.Contains(t, eval[string](b, `document.querySelector("ol.way").innerText`), "drew ")
	require.Contains(t, eval[string](b, `document.getElementById("live").innerText`), "rule canary (reviews.yaml:20)")
	require.Equal(t, "Decisions", eval[string](b, `document.querySelector("[aria-current=page]").textContent`))
}

func TestEveryControlHasAName(t *testing.T) {
	w := newWorld(t, "jason")
	b := open(t, w.url(), "")
	for _, path := range []string{"", "decisions", "clusters", "events", "config", "explain", "weights"} {
		b.visit(path)
		nameless := eval[[]string](b, `[...document.querySelectorAll("a, button, input:not([type=hidden]), textarea, [role=region], table, nav")]
			.filter(e => !(e.getAttribute("aria-label") || e.labels && e.labels.length && e.labels[0].innerText.trim() || e.querySelector("caption") || e.innerText && e.innerText.trim()))
			.map(e => e.outerHTML)`)
		require.Empty(t, nameless, path)
		require.Equal(t, 1, eval[int](b, `document.querySelectorAll("h1").length`))
		require.Equal(t, "en", eval[string](b, `document.documentElement.lang`))
		require.Empty(t, eval[[]string](b, `(() => { const seen = new Set(); return [...document.querySelectorAll("[id]")].map(e => e.id).filter(id => seen.has(id) || !seen.add(id)); })()`), "ids are of one element each")
	}
}

func TestWeightsAreChangedByAForm(t *testing.T) {
	w := newWorld(t, "jason")
	b := open(t, w.url(), "weights")
	require.NoError(t, chromedp.Do(b.ctx, chromedp.Focus(chromedp.CSS("input[type=number]"))))
	eval[bool](b, `document.activeElement.select() === undefined`)
	b.press("5", "0", kb.Enter)
	b.until(`location.search === "?changed=reviews"`)
	require.Contains(t, eval[string](b, `document.getElementById("live").innerText`), "83 %")
	require.Contains(t, eval[string](b, `document.querySelector("[role=status]").innerText`), "are set")
}

func TestARequestIsExplainedByAForm(t *testing.T) {
	w := newWorld(t, "jason")
	b := open(t, w.url(), "explain")
	require.NoError(t, chromedp.Do(b.ctx, chromedp.Focus(chromedp.CSS("input[name=url]"))))
	b.press("r", "e", "v", "i", "e", "w", "s", "/", "9", kb.Enter)
	b.until(`document.querySelector("pre") !== null`)
	require.Contains(t, eval[string](b, `document.querySelector("pre").innerText`), "GET reviews/9")
}

func TestNamesAreNotRun(t *testing.T) {
	w := newWorld(t, `"><script>window.evil=1</script><img src=x onerror="window.evil=2"><svg onload="window.evil=3">`)
	b := open(t, w.url(), "")
	for _, path := range []string{"", "decisions", "config", "explain?url=a", `decisions?route="><script>window.evil=4</script>`} {
		b.visit(path)
		if path == "" {
			b.updated() // what comes by the stream is put into the page as well
		}
		require.Equal(t, "undefined", eval[string](b, `typeof window.evil`), path)
		require.Equal(t, 0, eval[int](b, `document.querySelectorAll("img").length`))
	}
}

// Every page at three widths and in both themes: nothing sticks out sideways, all
// text can be read (WCAG 2.2, 1.4.3), and pictures are kept for those who look.
func TestHowPagesLook(t *testing.T) {
	w := newWorld(t, "jason")
	w.fails("10.0.1.3:9080")
	w.bad.Store(true)
	folder := os.Getenv("PAGETEST_SCREENSHOTS")
	if folder == "" {
		folder = t.TempDir()
	}
	require.NoError(t, os.MkdirAll(folder, 0o755))
	for _, size := range []struct{ width, height int64 }{{390, 844}, {1280, 900}, {3840, 2160}} {
		for _, theme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d %s", size.width, theme), func(t *testing.T) {
				b := open(t, w.url(), "")
				b.like(size.width, size.height, theme)
				for _, path := range []string{"", "decisions", "decisions/100", "clusters", "events", "config", "explain?url=reviews/1", "weights"} {
					b.visit(path)
					name := fmt.Sprintf("%s-%d-%s", path, size.width, theme)
					if path == "" {
						name = fmt.Sprintf("overview-%d-%s", size.width, theme)
					}
					b.picture(folder, name)
					require.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), int(size.width), name)
					require.Empty(t, eval[[]string](b, faint), name)
				}
			})
		}
	}
}

func TestTheThemeCanBeChosen(t *testing.T) {
	w := newWorld(t, "jason")
	b := open(t, w.url(), "")
	b.like(1280, 900, "light")
	ground := func() string { return eval[string](b, `getComputedStyle(document.body).backgroundColor`) }
	light := ground()
	require.NoError(t, chromedp.Do(b.ctx, chromedp.Click(chromedp.CSS("#theme")), chromedp.Click(chromedp.CSS("#theme"))))
	require.Equal(t, "theme: dark", eval[string](b, `document.getElementById("theme").textContent`))
	dark := ground()
	require.NotEqual(t, light, dark)
	b.visit("clusters")
	require.Equal(t, dark, ground(), "other pages and later visits have it too")
	require.NoError(t, chromedp.Do(b.ctx, chromedp.Click(chromedp.CSS("#theme"))))
	require.Equal(t, light, ground())
}

// faint is JavaScript for the texts of a page whose contrast is less than 4.5.
const faint = `(() => {
	const rgb = s => (s.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
	const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
	const ground = e => {
		for (; e; e = e.parentElement) {
			const shape = e.tagName === "g" && e.querySelector(":scope > rect");
			const c = rgb(shape ? getComputedStyle(shape).fill : getComputedStyle(e).backgroundColor);
			if (c.length < 4 || c[3] > 0) return c;
		}
		return [255, 255, 255];
	};
	const bad = new Set();
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement, style = getComputedStyle(e);
		if (!walk.currentNode.data.trim() || !e.getClientRects().length || style.visibility === "hidden" || e.closest("title, desc, .unseen, .skip")) continue;
		const front = light(rgb(e.closest("svg[role=img]") ? style.fill : style.color)), back = light(ground(e));
		const contrast = (Math.max(front, back) + .05) / (Math.min(front, back) + .05);
		if (contrast < 4.5) bad.add(contrast.toFixed(2) + " " + e.tagName + "." + e.getAttribute("class") + " " + walk.currentNode.data.trim());
	}
	return [...bad];
})()`
