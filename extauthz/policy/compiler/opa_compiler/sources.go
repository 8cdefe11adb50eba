package main

import (
	"errors"
	"sort"

	"github.com/open-policy-agent/opa/v1/ast"
)

// One of OPA's errors, with its place; without a file: about all of them.
type problem struct {
	File    string `json:"file"`
	Row     int    `json:"row"`
	Col     int    `json:"col"`
	Message string `json:"message"`
}

// A file of Rego.
type source struct {
	path   string
	module *ast.Module
}

// parsed reads files, in the order of their paths; or gives all that is wrong with them.
func parsed(texts map[string]string) ([]source, []problem) {
	paths := make([]string, 0, len(texts))
	for path := range texts {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	var found []source
	var failed []problem
	for _, path := range paths {
		module, err := ast.ParseModuleWithOpts(path, texts[path], ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			failed = append(failed, problems(err)...)
			continue
		}
		found = append(found, source{path, module})
	}
	return found, failed
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
