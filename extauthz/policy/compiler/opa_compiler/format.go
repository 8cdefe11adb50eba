package main

import (
	"encoding/json"
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

// A file of Rego.
type formatRequest struct {
	Name string `json:"name"`
	Text []byte `json:"text"`
}

// It as OPA would write it, or what is wrong with it.
type formatAnswer struct {
	Text   []byte    `json:"text,omitempty"`
	Errors []problem `json:"errors,omitempty"`
}

// formatted is `opa fmt` with its default flags: of one file.
func formatted(line []byte) any {
	var asked formatRequest
	if err := json.Unmarshal(line, &asked); err != nil {
		return formatAnswer{Errors: problems(err)}
	}
	text, err := format.SourceWithOpts(asked.Name, asked.Text, format.Opts{RegoVersion: ast.RegoV1})
	if err != nil {
		return formatAnswer{Errors: problems(err)}
	}
	if _, err := ast.ParseModuleWithOpts(asked.Name, string(text), ast.ParserOptions{RegoVersion: ast.RegoV1}); err != nil {
		return formatAnswer{Errors: problems(errors.New("its formatted text is no Rego: " + err.Error()))}
	}
	return formatAnswer{Text: text}
}
