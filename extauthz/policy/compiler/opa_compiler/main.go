// OPA's own compiler, as a filter: one request a line on standard input (Rego sources and
// entrypoints), one answer a line on standard output (a plan, or OPA's errors). It opens no file
// and no connection, and is built as a native program or as WebAssembly (wasip1).
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"sort"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/compile"
)

type request struct {
	Sources     map[string]string `json:"sources"`
	Entrypoints []string          `json:"entrypoints"`
}

type problem struct {
	File    string `json:"file"`
	Row     int    `json:"row"`
	Col     int    `json:"col"`
	Message string `json:"message"`
}

type answer struct {
	Plan   json.RawMessage `json:"plan,omitempty"`
	Errors []problem       `json:"errors,omitempty"`
}

func problems(err error) []problem {
	var list ast.Errors
	var one *ast.Error
	if errors.As(err, &one) {
		list = ast.Errors{one}
	} else if !errors.As(err, &list) {
		return []problem{{Message: err.Error()}}
	}
	found := make([]problem, 0, len(list))
	for _, each := range list {
		place := problem{Message: each.Code + ": " + each.Message}
		if each.Location != nil {
			place.File, place.Row, place.Col = each.Location.File, each.Location.Row, each.Location.Col
		}
		found = append(found, place)
	}
	return found
}

func compiled(asked request) answer {
	names := make([]string, 0, len(asked.Sources))
	for name := range asked.Sources {
		names = append(names, name)
	}
	sort.Strings(names)
	var failed []problem
	policy := bundle.Bundle{Data: map[string]any{}}
	policy.Manifest.Init()
	for _, name := range names {
		text := asked.Sources[name]
		module, err := ast.ParseModuleWithOpts(name, text, ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			failed = append(failed, problems(err)...)
			continue
		}
		policy.Modules = append(policy.Modules, bundle.ModuleFile{URL: name, Path: name, Raw: []byte(text), Parsed: module})
	}
	if failed != nil {
		return answer{Errors: failed}
	}
	compiler := compile.New().WithTarget(compile.TargetPlan).WithEntrypoints(asked.Entrypoints...).
		WithBundle(&policy).WithRegoVersion(ast.RegoV1)
	if err := compiler.Build(context.Background()); err != nil {
		return answer{Errors: problems(err)}
	}
	return answer{Plan: compiler.Bundle().PlanModules[0].Raw}
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for {
		line, end := lines.ReadBytes('\n')
		if len(line) > 1 {
			var asked request
			result := answer{}
			if err := json.Unmarshal(line, &asked); err != nil {
				result.Errors = problems(err)
			} else {
				result = compiled(asked)
			}
			if err := answers.Encode(result); err != nil {
				os.Exit(1)
			}
		}
		if end != nil {
			if end != io.EOF {
				os.Exit(1)
			}
			return
		}
	}
}
