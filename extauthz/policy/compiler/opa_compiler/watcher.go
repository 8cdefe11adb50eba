package main

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

const mostTried = 5000        // rules of one evaluation that are told
const mostQueries = 1_000_000 // queries that are remembered meanwhile: 100 MB

// One evaluation of a rule.
type tried struct {
	Rule    string   `json:"rule"` // `shop.allow`
	File    string   `json:"file"`
	Row     int      `json:"row"`
	Col     int      `json:"col"`
	Depth   int      `json:"depth"` // of the rule that asked for it, and one; the entrypoint's: 0
	Default bool     `json:"default"`
	Times   int      `json:"times"` // how often its body was true
	Value   *shown   `json:"value,omitempty"`
	Failed  *failure `json:"failed,omitempty"`
	within  ast.Ref  // its package
}

// Where an evaluation got no further: of all expressions that were reached, the last.
type failure struct {
	File   string   `json:"file"`
	Row    int      `json:"row"`
	Col    int      `json:"col"`
	Text   string   `json:"text"`
	Times  int      `json:"times"` // for how many values of what comes before it
	Error  bool     `json:"error"` // a builtin failed there
	Values []*shown `json:"values"`
	Within *failure `json:"within,omitempty"` // of an `every`: what is false for one of its members
	index  int
}

// A query under way: the body of a rule, of an `every`, of a comprehension.
type frame struct {
	parent  *frame
	rule    *tried // the nearest one
	body    ast.Body
	own     bool      // it is the rule's own body
	written *ast.Rule // then that rule
	failed  *failure
	within  *failure // what failed last in a query below that is no rule's
}

// watcher hears what OPA's interpreter does, and keeps what can be told of it.
type watcher struct {
	input   ast.Value
	base    ast.Value
	renamed map[ast.Var]ast.Var // by the compiler; the author's own names
	asked   map[string]bool     // builtins that would have asked others
	cache   topdown.VirtualCache
	frames  map[uint64]*frame
	rules   []*tried
	cut     bool
}

func newWatcher(input, base ast.Value, renamed map[ast.Var]ast.Var) *watcher {
	return &watcher{
		input: input, base: base, renamed: renamed, asked: map[string]bool{},
		cache: topdown.NewVirtualCache(), frames: map[uint64]*frame{},
	}
}

func (w *watcher) Enabled() bool { return true }

func (w *watcher) Config() topdown.TraceConfig { return topdown.TraceConfig{PlugLocalVars: false} }

func (w *watcher) TraceEvent(event topdown.Event) {
	if w.cut {
		return
	}
	at := w.frame(&event)
	switch node := event.Node.(type) {
	case *ast.Rule:
		w.ofRule(at, node, &event)
	case *ast.Expr:
		if event.Op == topdown.FailOp {
			w.fails(at, node, &event)
		}
	case ast.Body:
		if event.Op == topdown.EnterOp {
			at.body = node
		}
	}
}

func (w *watcher) frame(event *topdown.Event) *frame {
	found, ok := w.frames[event.QueryID]
	if !ok {
		w.cut = len(w.frames) == mostQueries
		found = &frame{parent: w.frames[event.ParentID]}
		if found.parent != nil {
			found.rule, found.body = found.parent.rule, found.parent.body
		}
		w.frames[event.QueryID] = found
	}
	return found
}

func (w *watcher) ofRule(at *frame, rule *ast.Rule, event *topdown.Event) {
	switch event.Op {
	case topdown.EnterOp:
		if len(w.rules) == mostTried {
			w.cut = true
			return
		}
		depth := 0
		if at.parent != nil && at.parent.rule != nil {
			depth = at.parent.rule.Depth + 1
		}
		at.rule = &tried{Rule: named(rule), Depth: depth, Default: rule.Default, within: rule.Module.Package.Path}
		at.body, at.own, at.written = rule.Body, true, rule
		if rule.Location != nil {
			at.rule.File, at.rule.Row, at.rule.Col = rule.Location.File, rule.Location.Row, rule.Location.Col
		}
		w.rules = append(w.rules, at.rule)
	case topdown.ExitOp:
		at.rule.Times++
		at.rule.Failed = nil
		if at.rule.Times == 1 {
			at.rule.Value = w.given(rule, event)
		}
	}
}

func (w *watcher) fails(at *frame, expr *ast.Expr, event *topdown.Event) {
	failed := at.failed
	if failed != nil && expr.Index < failed.index {
		return
	}
	if failed != nil && expr.Index == failed.index {
		failed.Times++
		return
	}
	place := begins(expr, at.written)
	failed = &failure{Text: written(place), Times: 1, index: expr.Index}
	if place != nil {
		failed.File, failed.Row, failed.Col = place.File, place.Row, place.Col
	}
	if _, every := expr.Terms.(*ast.Every); every {
		failed.Within = at.within
		if failed.Within != nil && failed.Within.Row == failed.Row && failed.Within.Col == failed.Col {
			failed.Within = failed.Within.Within // the same, as its own query sees it
		}
	} else {
		failed.Values = w.values(at, expr, event)
	}
	at.failed = failed
	if at.own {
		if at.rule.Times == 0 {
			at.rule.Failed = failed
		}
	} else if at.parent != nil {
		at.parent.within = failed
	}
}

// mark says of what failed at a place that a builtin failed there.
func (w *watcher) mark(place *ast.Location) {
	if place == nil {
		return
	}
	for _, each := range w.rules {
		for failed := each.Failed; failed != nil; failed = failed.Within {
			if failed.File == place.File && failed.Row == place.Row {
				failed.Error = true
			}
		}
	}
}

func named(rule *ast.Rule) string {
	name := rule.Ref().ConstantPrefix().String()
	return name[len("data."):]
}

// offline makes builtins that would ask others fail, and remembers which.
func (w *watcher) offline() {
	for _, each := range []*ast.Builtin{ast.HTTPSend, ast.NetLookupIPAddr} {
		topdown.RegisterBuiltinFunc(each.Name, func(topdown.BuiltinContext, []*ast.Term, func(*ast.Term) error) error {
			w.asked[each.Name] = true
			return errors.New("not asked")
		})
	}
}

func (w *watcher) names() []string { return slices.Sorted(maps.Keys(w.asked)) }

// begins gives the place of an expression. The parser has the whole of `else := x if EXPR`, and all
// that follows it, as the place of EXPR: what we want is after the head and its `if`.
func begins(expr *ast.Expr, rule *ast.Rule) *ast.Location {
	whole := expr.Location
	if whole == nil || rule == nil || rule.Head.Location == nil || !strings.HasPrefix(string(whole.Text), "else") {
		return whole
	}
	head := string(rule.Head.Location.Text)
	rest, found := strings.CutPrefix(string(whole.Text), head)
	body, found2 := strings.CutPrefix(strings.TrimLeft(rest, " \t"), "if")
	if !found || !found2 || strings.Contains(head, "\n") {
		return whole
	}
	body = strings.TrimLeft(body, " \t")
	column := whole.Col + utf8.RuneCountInString(string(whole.Text)) - utf8.RuneCountInString(body)
	text, _, _ := strings.Cut(body, "\n")
	text, _, _ = strings.Cut(text, " else ")
	return &ast.Location{Text: []byte(text), File: whole.File, Row: whole.Row, Col: column}
}
