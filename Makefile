# make test   everything CI checks; ten minutes on two cores at most
#
# CI=true     a missing real Postfix is a failure instead of a skipped test
# FUZZTIME    how long each fuzz target runs (default 2s)

GO          ?= go
FUZZTIME    ?= 2s
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2

export GO FUZZTIME

.PHONY: test deps fmt vet staticcheck unit modules bench-once fuzz cross unchanged api dist

test: deps fmt vet staticcheck cross unchanged api unit modules bench-once fuzz
	@echo "all checks passed"

# The real Postfix and the tools that check table files.
deps:
	@scripts/deps.sh

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "gofmt would change:"; echo "$$out"; exit 1; }

vet:
	$(GO) vet ./...

staticcheck:
	$(GO) run $(STATICCHECK) ./...

# The race detector needs a C compiler; without one the tests run without it.
unit:
	@if command -v gcc >/dev/null || command -v clang >/dev/null; then race=-race; \
	else race=; echo "no C compiler: tests run without the race detector"; fi; \
	set -x; $(GO) test $$race -shuffle=on -timeout 9m ./...

# Modules beside the main one: comparisons, examples with foreign libraries.
modules:
	@scripts/modules.sh

bench-once:
	$(GO) test -run '^$$' -bench . -benchtime 1x ./... | scripts/quiet-bench.sh

fuzz:
	@scripts/fuzz.sh

cross:
	@scripts/cross.sh

unchanged:
	@scripts/unchanged.sh

# What users' code may no longer compile with, since the last tag.
api:
	@scripts/api.sh

# Static, reproducible binaries of the commands in dist/.
dist:
	@scripts/dist.sh
