package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/lineage"
)

// What tests are asked to run, on which files, as flags of `opa test`.
type testRequest struct {
	Files     map[string][]byte `json:"files"`
	Paths     []string          `json:"paths"`
	Run       string            `json:"run"`
	Format    string            `json:"format"`
	Verbose   bool              `json:"verbose"`
	Coverage  bool              `json:"coverage"`
	Threshold float64           `json:"threshold"`
	Seconds   float64           `json:"seconds"`
	SkipsPass bool              `json:"skips_pass"`
}

// What `opa test` writes on its two outputs, and ends with.
type testAnswer struct {
	Output string `json:"output"`
	Error  string `json:"error"`
	Code   int    `json:"code"`
}

// tested is `opa test`: its loader, runner and reporters, put together as cmd/test.go of OPA 1.22
// does it, in the order of the files' lines.
func tested(line []byte) any {
	refuseNetwork()
	run := &testRun{output: &bytes.Buffer{}}
	if err := json.Unmarshal(line, &run.asked); err != nil {
		return testAnswer{Error: err.Error(), Code: 1}
	}
	if err := run.load(); err != nil {
		return testAnswer{Error: err.Error(), Code: 1}
	}
	code, said := run.report()
	return testAnswer{Output: run.output.String(), Error: said, Code: code}
}

type testRun struct {
	asked   testRequest
	output  *bytes.Buffer
	modules map[string]*ast.Module
	store   storage.Store
}

func capabilities() *ast.Capabilities {
	all := ast.CapabilitiesForThisVersion()
	all.AllowNet = []string{} // remote JSON schemas
	return all
}

func (r *testRun) load() error {
	loaded, err := loader.NewFileLoader().WithFS(remembered(r.asked.Files, r.asked.Paths)).
		WithRegoVersion(ast.RegoV1).WithCapabilities(capabilities()).WithProcessAnnotation(true).
		Filtered(r.asked.Paths, nil)
	if err != nil {
		return err
	}
	r.store = inmem.NewFromObject(loaded.Documents)
	r.modules = map[string]*ast.Module{}
	for _, each := range loaded.Modules {
		r.modules[each.Name] = each.Parsed
	}
	return nil
}

// results runs all tests once; a tracer that is a *cover.Cover learns what they cover.
func (r *testRun) results(tracer topdown.QueryTracer) ([]*tester.Result, error) {
	ctx := context.Background()
	txn, err := r.store.NewTransaction(ctx, storage.WriteParams)
	if err != nil {
		return nil, err
	}
	defer r.store.Abort(ctx, txn)
	compiler := ast.NewCompiler().SetErrorLimit(10).
		WithPathConflictsCheck(storage.NonEmpty(ctx, r.store, txn)).
		WithEnablePrintStatements(true).WithCapabilities(capabilities()).
		WithUseTypeCheckAnnotations(true)
	modules := map[string]*ast.Module{}
	for name, each := range r.modules {
		modules[name] = each.Copy() // compiling changes them, and we may compile twice
	}
	channel, err := tester.NewRunner().SetCompiler(compiler).SetStore(r.store).
		CapturePrintOutput(true).EnableTracing(r.asked.Verbose).StackTraces(true).
		SetCoverageQueryTracer(tracer).SetRuntime(environment()).SetModules(modules).
		SetTimeout(time.Duration(r.asked.Seconds*float64(time.Second))).Filter(r.asked.Run).
		RunTests(ctx, txn)
	if err != nil {
		return nil, err
	}
	var found []*tester.Result
	for each := range channel {
		each.Trace = r.shown(each.Trace)
		found = append(found, each)
	}
	slices.SortFunc(found, func(a, b *tester.Result) int {
		return cmp.Or(cmp.Compare(a.Location.File, b.Location.File), cmp.Compare(a.Location.Row, b.Location.Row),
			cmp.Compare(a.Location.Col, b.Location.Col), cmp.Compare(a.Name, b.Name))
	})
	return found, nil
}

func (r *testRun) shown(trace []*topdown.Event) []*topdown.Event {
	if !r.asked.Verbose {
		return lineage.Fails(trace)
	}
	return lineage.Filter(trace, func(event *topdown.Event) bool {
		return event.Op == topdown.NoteOp || event.Op == topdown.FailOp
	})
}

func (r *testRun) report() (int, string) {
	found, err := r.results(&yielding{})
	if err != nil {
		return 1, err.Error()
	}
	code := 0
	for _, each := range found {
		if !each.Pass() && !(each.Skip && r.asked.SkipsPass) {
			code = 2
		}
	}
	if err := r.reporter(found).Report(channelOf(found)); err != nil {
		var low *cover.CoverageThresholdError
		if errors.As(err, &low) {
			return 2, err.Error()
		}
		return 1, err.Error()
	}
	return code, ""
}

func (r *testRun) reporter(found []*tester.Result) tester.Reporter {
	if r.asked.Coverage || r.asked.Threshold > 0 {
		covered := cover.New()
		if !slices.ContainsFunc(found, func(each *tester.Result) bool { return each.Fail || each.Error != nil }) {
			// A second run, as the tracer that makes timeouts work cannot be there beside a
			// *cover.Cover; what runs now has ended once.
			_, _ = r.results(covered)
		}
		return tester.JSONCoverageReporter{Cover: covered, Modules: r.modules, Output: r.output,
			Threshold: r.asked.Threshold, Verbose: r.asked.Verbose}
	}
	if r.asked.Format == "json" {
		return tester.JSONReporter{Output: r.output}
	}
	return tester.PrettyReporter{Output: r.output, Verbose: r.asked.Verbose}
}

func channelOf(found []*tester.Result) chan *tester.Result {
	channel := make(chan *tester.Result, len(found))
	for _, each := range found {
		channel <- each
	}
	close(channel)
	return channel
}

// environment is what `opa.runtime` tells: nothing of this machine.
func environment() *ast.Term {
	return ast.ObjectTerm([2]*ast.Term{ast.StringTerm("env"), ast.ObjectTerm()})
}

// refuseNetwork makes a test that would ask others an error; mocks (`with http.send as ...`) never
// get to these functions.
func refuseNetwork() {
	for _, each := range []*ast.Builtin{ast.HTTPSend, ast.NetLookupIPAddr} {
		topdown.RegisterBuiltinFunc(each.Name, func(bctx topdown.BuiltinContext, _ []*ast.Term, _ func(*ast.Term) error) error {
			return topdown.Halt{Err: &topdown.Error{
				Code:     topdown.BuiltinErr,
				Message:  fmt.Sprintf("tests have no network: write `with %s as ...`", each.Name),
				Location: bctx.Location,
			}}
		})
	}
}

// yielding lets other goroutines run now and then, those of timeouts among them: WebAssembly has one
// thread, which nothing takes from an evaluation.
type yielding struct{ events atomic.Int64 }

func (y *yielding) Enabled() bool               { return true }
func (y *yielding) Config() topdown.TraceConfig { return topdown.TraceConfig{} }
func (y *yielding) TraceEvent(topdown.Event) {
	if y.events.Add(1)%1000 == 0 {
		runtime.Gosched()
	}
}
