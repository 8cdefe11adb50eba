# Everything a developer or a curious user does here. Needs Python >= 3.11 with venv, and make.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: fuzz-matcher waf-nomination bench-waf shared-counters unbounded bench-latency bench-cache bench-policies bench-logs bench-rego fuzz-rego help setup run test lint bench overload soak tools attacks lock fuzz certificates reload balance observing decision-log faults limit-faults redis-scripts

help:  ## what can be done here
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 10

run: .venv/run.stamp  ## start Envoy, Gatewright and a sample upstream, and watch decisions
	@$(BIN)/gatewright up

setup: .venv/dev.stamp  ## install what the other targets need (they call it themselves)

tools: .venv/dev.stamp  ## bring redis-server, valkey-server, h2load, h2spec, opa and CRS 3 into .tools/ (tests use them)
	@$(BIN)/python scripts/tools.py

test: .venv/dev.stamp tools  ## run the tests
	@scripts/test

lint: .venv/dev.stamp  ## format check, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: .venv/dev.stamp tools  ## measure: see docs/performance.md
	@$(BIN)/python -m tests.load.bench

bench-latency: .venv/dev.stamp tools  ## how long a rate limit takes, at rates that do not wait: see docs/performance.md
	@$(BIN)/python -m tests.load.latency

bench-cache: .venv/dev.stamp tools  ## what a remembered decision costs: see docs/performance.md
	@$(BIN)/python -m tests.load.remembered

bench-policies: .venv/dev.stamp tools  ## a Check with ten policies and with 10,000: see docs/performance.md
	@$(BIN)/python -m tests.load.policies

bench-rego: .venv/dev.stamp tools  ## what a decision costs in Rego, beside `opa bench`: see docs/performance.md
	@$(BIN)/python -m tests.load.rego

bench-logs: .venv/dev.stamp tools  ## a Check with decision logs on, beside OPA with its own: see docs/performance.md
	@$(BIN)/python -m tests.load.logs

bench-waf: .venv/dev.stamp  ## the OWASP CRS here beside ModSecurity 3, same rules: see docs/performance.md
	@$(BIN)/python -m tests.load.waf

waf-differential: .venv/dev.stamp  ## the OWASP CRS here and in ModSecurity 3: which rules log otherwise, and why
	@$(BIN)/python -m tests.waf.differential

overload: .venv/dev.stamp tools  ## ask three times as much as one core can answer: see docs/reliability.md
	@$(BIN)/python -m tests.reliability.overload

soak: .venv/dev.stamp tools  ## ten million decisions, a million connections: see docs/reliability.md
	@$(BIN)/python -m tests.reliability.soak

fuzz: .venv/dev.stamp  ## spoiled bytes for the transport, without end (Ctrl-C: a summary)
	@$(BIN)/python -m tests.fuzz

fuzz-matcher: .venv/dev.stamp tools  ## stretched attacks for Hyperscan beside RE2, without end (Ctrl-C)
	@$(BIN)/python -m tests.waf.matcher.fuzz

waf-nomination: .venv/dev.stamp  ## all tests of CRS with nomination and without: the same rules, captures, scores
	@$(BIN)/python -m tests.waf.matcher.corpus

fuzz-rego: .venv/dev.stamp tools  ## generated Rego beside a real OPA, without end (Ctrl-C)
	@$(BIN)/python -m tests.extauthz.policy.fuzz

certificates: .venv/dev.stamp tools  ## replace certificates under new connections: see docs/reliability.md
	@$(BIN)/python -m tests.reliability.certificates

decision-log: .venv/dev.stamp  ## what a line of the decision log costs: see docs/reliability.md
	@$(BIN)/python -m tests.reliability.decision_log

unbounded: .venv/dev.stamp tools  ## limits for a million clients that nobody had seen: see docs/reliability.md
	@$(BIN)/python -m tests.reliability.unbounded

shared-counters: .venv/dev.stamp  ## what it costs that workers count together in memory: see docs/performance.md
	@$(BIN)/python -m tests.reliability.shared_counters

redis-scripts: .venv/dev.stamp tools  ## what rate limiting's scripts cost Redis: see docs/performance.md
	@$(BIN)/python -m tests.reliability.redis_scripts

observing: .venv/dev.stamp tools  ## what traces cost a request: see docs/reliability.md
	@$(BIN)/python -m tests.reliability.observing

reload: .venv/dev.stamp tools  ## a thousand reloads under load, and one of 10,000 policies: see docs/reliability.md
	@$(BIN)/python -m tests.reliability.reload

balance: .venv/dev.stamp tools  ## how evenly requests come to workers: see docs/reliability.md
	@$(BIN)/python -m tests.reliability.balance

attacks: .venv/dev.stamp tools  ## attack a real server, beside clients that behave well: see docs/reliability.md
	@$(BIN)/python -m tests.reliability.attacks

faults: .venv/dev.stamp tools  ## break everything around requests, and see how soon all is well: see docs/reliability.md
	@$(BIN)/python -m tests.reliability.faults

limit-faults: .venv/dev.stamp tools  ## break what limits depend on, and see what passes: see docs/reliability.md
	@$(BIN)/python -m tests.reliability.limit_faults

lock: .venv/dev.stamp  ## pin the newest dependencies (needs uv on the path)
	@scripts/lock

# A stamp file is newer than the lock that it was made from: a second run installs nothing.
.venv/run.stamp: requirements/run.txt pyproject.toml
	@scripts/setup "$(PYTHON)" requirements/run.txt
	@touch $@

.venv/dev.stamp: requirements/dev.txt pyproject.toml
	@scripts/setup "$(PYTHON)" requirements/dev.txt
	@touch $@ .venv/run.stamp
