package main

import (
	"encoding/json"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

const mostBytes = 2000 // of a value that is told, as JSON
const mostText = 300   // characters of an expression
const mostValues = 12  // of one expression

// The value of something that an expression names, when it was false or undefined.
type shown struct {
	Name      string `json:"name"`
	Path      []any  `json:"path,omitempty"`      // in the request's input: what it names there
	Value     string `json:"value,omitempty"`     // JSON, as a text
	Undefined bool   `json:"undefined,omitempty"` // it has none
	Large     string `json:"large,omitempty"`     // what it is, if it is too large to be told
}

// written gives the text of an expression, in one line.
func written(at *ast.Location) string {
	if at == nil {
		return ""
	}
	text := strings.Join(strings.Fields(string(at.Text)), " ")
	if letters := []rune(text); len(letters) > mostText {
		return string(letters[:mostText]) + "..."
	}
	return text
}

func (w *watcher) given(rule *ast.Rule, event *topdown.Event) *shown {
	term := rule.Head.Value
	if term == nil || rule.Head.RuleKind() == ast.MultiValue {
		term = rule.Head.Key
	}
	if term == nil {
		return nil
	}
	return told("", event.Plug(term).Value)
}

func told(name string, value ast.Value) *shown {
	made := &shown{Name: name}
	if !value.IsGround() {
		return nil
	}
	plain, err := ast.JSON(value)
	if err != nil {
		return nil
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return nil
	}
	if len(text) > mostBytes {
		made.Large = ast.ValueName(value)
	} else {
		made.Value = string(text)
	}
	return made
}

// values gives what the variables and references of an expression are.
func (w *watcher) values(at *frame, expr *ast.Expr, event *topdown.Event) []*shown {
	var found []*shown
	names := map[string]bool{}
	add := func(each *shown) {
		if each != nil && each.Name != "" && !names[each.Name] && len(found) < mostValues {
			names[each.Name] = true
			found = append(found, each)
		}
	}
	var visit func(term *ast.Term)
	seen := map[ast.Var]bool{}
	visit = func(term *ast.Term) {
		switch value := term.Value.(type) {
		case ast.Var:
			if seen[value] {
				return
			}
			seen[value] = true
			plugged := event.Plug(term)
			name, generated := w.named(at.body, value)
			if _, unbound := plugged.Value.(ast.Var); !unbound && (generated == nil || !generated.IsEquality()) {
				add(told(name, plugged.Value))
			}
			if generated != nil {
				operands(generated, func(each *ast.Term) { visit(each) })
			}
		case ast.Ref:
			add(w.referred(at, value, event))
			for _, each := range value[1:] {
				visit(each)
			}
		case *ast.Array:
			value.Foreach(visit)
		case ast.Object:
			value.Foreach(func(key, each *ast.Term) { visit(key); visit(each) })
		case ast.Set:
			value.Foreach(visit)
		case ast.Call:
			for _, each := range value[1:] {
				visit(each)
			}
		}
	}
	operands(expr, visit)
	return found
}

func operands(expr *ast.Expr, visit func(*ast.Term)) {
	switch terms := expr.Terms.(type) {
	case *ast.Term:
		visit(terms)
	case []*ast.Term:
		for _, each := range terms[1:] {
			visit(each)
		}
	case *ast.Not:
		for _, each := range terms.Body {
			operands(each, visit)
		}
	}
}

// named gives what the author calls a variable. One that the compiler made is called by the text
// of the call that gives its value, and `by` is that.
func (w *watcher) named(body ast.Body, variable ast.Var) (name string, by *ast.Expr) {
	if original, rewritten := w.renamed[variable]; rewritten && !original.IsGenerated() {
		return string(original), nil
	}
	if !variable.IsGenerated() {
		if variable.IsWildcard() {
			return "", nil
		}
		return string(variable), nil
	}
	for _, each := range body {
		terms, call := each.Terms.([]*ast.Term)
		if !call || len(terms) < 2 {
			continue
		}
		last := terms[len(terms)-1]
		if each.IsEquality() && terms[1].Value.Compare(variable) == 0 {
			last = terms[1]
		}
		if last.Value.Compare(variable) == 0 {
			return written(each.Location), each
		}
	}
	return "", nil
}

// referred gives the value of a reference, as far as its variables have values. It is called as its
// author wrote it: the values of variables in it may be secrets.
func (w *watcher) referred(at *frame, ref ast.Ref, event *topdown.Event) *shown {
	head, ok := ref[0].Value.(ast.Var)
	if !ok {
		return nil
	}
	plugged, ok := event.Plug(ast.NewTerm(ref)).Value.(ast.Ref)
	if !ok {
		return nil
	}
	ground := plugged
	if !plugged[1:].IsGround() {
		ground = plugged.GroundPrefix()
	}
	name := w.written(at, ref[:len(ground)])
	switch {
	case head.Equal(ast.InputRootDocument.Value):
		input := event.Input()
		if input == nil {
			return nil
		}
		made := within(name, input.Value, ground[1:])
		if made != nil && input.Value == w.input {
			made.Path = pathOf(ground[1:])
		}
		return made
	case head.Equal(ast.DefaultRootDocument.Value):
		return w.document(name, ground)
	default:
		value := event.Plug(ref[0])
		if _, unbound := value.Value.(ast.Var); unbound || name == "" {
			return nil
		}
		return within(name, value.Value, ground[1:])
	}
}

// written gives a reference with the author's own names of variables, and without the package that
// it stands in.
func (w *watcher) written(at *frame, ref ast.Ref) string {
	names := ref.Copy()
	for index, each := range names {
		variable, ok := each.Value.(ast.Var)
		if !ok || index == 0 && ast.RootDocumentNames.Contains(each) {
			continue
		}
		name, _ := w.named(at.body, variable)
		if name == "" && index == 0 {
			return ""
		}
		if name == "" {
			name = "_"
		}
		names[index] = ast.VarTerm(name)
	}
	if at.rule != nil && len(names) > len(at.rule.within) && names.HasPrefix(at.rule.within) {
		names = names[len(at.rule.within):]
	}
	return names.String()
}

func within(name string, value ast.Value, path ast.Ref) *shown {
	found, err := value.Find(path)
	if err != nil {
		return &shown{Name: name, Undefined: true}
	}
	return told(name, found)
}

// document gives the value of a rule, if it was evaluated, or of the data.
func (w *watcher) document(name string, ref ast.Ref) *shown {
	for length := len(ref); length > 1; length-- {
		value, undefined := w.cache.Get(ref[:length])
		if undefined {
			return &shown{Name: name, Undefined: true}
		}
		if value != nil {
			return within(name, value.Value, ref[length:])
		}
	}
	if value, err := w.base.Find(ref[1:]); err == nil {
		return told(name, value)
	}
	return nil
}

func pathOf(ref ast.Ref) []any {
	path := make([]any, 0, len(ref))
	for _, each := range ref {
		switch value := each.Value.(type) {
		case ast.String:
			path = append(path, string(value))
		case ast.Number:
			path = append(path, json.Number(value))
		default:
			path = append(path, value.String())
		}
	}
	return path
}
