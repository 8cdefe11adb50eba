package main

import (
	"context"
	"encoding/json"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/compile"
)

// A compilation asked for: Rego by path, and the rules that decide.
type compilation struct {
	Sources     map[string]string `json:"sources"`
	Entrypoints []string          `json:"entrypoints"`
	Prints      bool              `json:"prints"`
}

// What became of it: one of the two.
type plan struct {
	Plan   json.RawMessage `json:"plan,omitempty"`
	Errors []problem       `json:"errors,omitempty"`
}

// compiled gives the plan of some Rego.
func compiled(line []byte) any {
	var asked compilation
	if err := json.Unmarshal(line, &asked); err != nil {
		return plan{Errors: problems(err)}
	}
	modules, failed := parsed(asked.Sources)
	if failed != nil {
		return plan{Errors: failed}
	}
	policy := bundle.Bundle{Data: map[string]any{}}
	policy.Manifest.Init()
	for _, each := range modules {
		policy.Modules = append(policy.Modules, bundle.ModuleFile{
			URL: each.path, Path: each.path, Raw: []byte(asked.Sources[each.path]), Parsed: each.module,
		})
	}
	compiler := compile.New().WithTarget(compile.TargetPlan).WithEntrypoints(asked.Entrypoints...).
		WithBundle(&policy).WithRegoVersion(ast.RegoV1).WithEnablePrintStatements(asked.Prints)
	if err := compiler.Build(context.Background()); err != nil {
		return plan{Errors: problems(err)}
	}
	return plan{Plan: compiler.Bundle().PlanModules[0].Raw}
}
