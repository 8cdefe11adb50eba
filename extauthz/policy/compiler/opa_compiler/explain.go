package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
	"github.com/open-policy-agent/opa/v1/util"
)

// A decision to explain: Rego by path, the rule that decides, and what it decided about.
type question struct {
	Sources    map[string]string `json:"sources"`
	Entrypoint string            `json:"entrypoint"`
	Input      string            `json:"input"`   // JSON, as a text: numbers are exact
	Data       string            `json:"data"`    // the same
	Runtime    any               `json:"runtime"` // what opa.runtime gives
	Strict     bool              `json:"strict"`  // errors of builtins end the decision
	Now        int64             `json:"now"`     // nanoseconds since 1970
	Seconds    float64           `json:"seconds"` // for the evaluation
}

// How OPA came to its decision.
type explanation struct {
	Result string    `json:"result,omitempty"` // JSON, as a text; none: undefined
	Rules  []*tried  `json:"rules"`            // in the order in which they were begun
	Cut    bool      `json:"cut"`              // there were more
	Asked  []string  `json:"asked,omitempty"`  // builtins that would have asked others
	Errors []problem `json:"errors,omitempty"`
}

// explained evaluates a decision by OPA's own interpreter, and tells what it tried. Nothing is
// asked outside: not the network, nor the environment.
func explained(line []byte) any {
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return explanation{Errors: problems(err)}
	}
	files, failed := parsed(asked.Sources)
	if failed != nil {
		return explanation{Errors: failed}
	}
	modules := map[string]*ast.Module{}
	for _, each := range files {
		modules[each.path] = each.module
	}
	compiler := ast.NewCompiler().WithCapabilities(capabilities())
	if compiler.Compile(modules); compiler.Failed() {
		return explanation{Errors: problems(compiler.Errors)}
	}
	var data map[string]any
	if err := util.UnmarshalJSON([]byte(asked.Data), &data); err != nil {
		return explanation{Errors: problems(err)}
	}
	input, err := ast.ValueFromReader(strings.NewReader(asked.Input))
	if err != nil {
		return explanation{Errors: problems(err)}
	}
	return evaluated(asked, compiler, data, input)
}

func evaluated(asked question, compiler *ast.Compiler, data map[string]any, input ast.Value) explanation {
	base, err := ast.InterfaceToValue(data)
	if err != nil {
		return explanation{Errors: problems(err)}
	}
	runtime, err := ast.InterfaceToValue(asked.Runtime)
	if err != nil {
		return explanation{Errors: problems(err)}
	}
	ref := ast.Ref{ast.DefaultRootDocument}
	for _, each := range strings.Split(asked.Entrypoint, "/") {
		ref = append(ref, ast.StringTerm(each))
	}
	var failures []topdown.Error
	watch := newWatcher(input, base, compiler.RewrittenVars)
	watch.offline()
	query := rego.New(
		rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(ref)))),
		rego.Compiler(compiler),
		rego.Store(inmem.NewFromObject(data)),
		rego.Runtime(ast.NewTerm(runtime)),
		rego.StrictBuiltinErrors(asked.Strict),
	)
	ctx := context.Background()
	prepared, err := query.PrepareForEval(ctx)
	if err != nil {
		return explanation{Errors: problems(err)}
	}
	results, err := prepared.Eval(ctx,
		rego.EvalParsedInput(input),
		rego.EvalQueryTracer(watch),
		rego.EvalVirtualCache(watch.cache),
		rego.EvalTime(time.Unix(0, asked.Now)),
		// all rules are tried, not only those that an index finds
		rego.EvalRuleIndexing(false),
		// without the index OPA would miss conflicts of rules if it ended at the first
		rego.EvalEarlyExit(false),
		rego.EvalBuiltinErrorList(&failures),
		rego.EvalNDBuiltinCache(builtins.NDBCache{}),
		rego.EvalExternalCancel(until(time.Now().Add(time.Duration(asked.Seconds*float64(time.Second))))),
	)
	told := explanation{Rules: watch.rules, Cut: watch.cut, Asked: watch.names()}
	for _, each := range failures {
		watch.mark(each.Location)
	}
	if err != nil {
		var failure *topdown.Error
		if errors.As(err, &failure) {
			watch.mark(failure.Location)
			// its text may hold what it failed about
			place := problem{Message: failure.Code}
			if failure.Location != nil {
				place.File, place.Row, place.Col = failure.Location.File, failure.Location.Row, failure.Location.Col
			}
			told.Errors = []problem{place}
		} else {
			told.Errors = []problem{{Message: "evaluation failed"}}
		}
		return told
	}
	if len(results) > 0 {
		text, err := json.Marshal(results[0].Expressions[0].Value)
		if err != nil {
			return explanation{Errors: problems(err)}
		}
		told.Result = string(text)
	}
	return told
}

// A moment after which an evaluation ends. WebAssembly has one thread, and no timer in it.
type until time.Time

func (until) Cancel()           {}
func (u until) Cancelled() bool { return time.Now().After(time.Time(u)) }
