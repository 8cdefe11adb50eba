// OPA's own compiler and what else of OPA the authors of policies need, as a filter: one request a
// line on standard input, one answer a line on standard output, both JSON. It opens no file and no
// connection, and is built as a native program or as WebAssembly (wasip1).
package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
)

// What a request's `command` may be: its whole line to what is answered.
var commands = map[string]func(line []byte) any{
	"compile": compiled,
	"explain": explained,
	"format":  formatted,
	"test":    tested,
}

func answered(line []byte) any {
	var asked struct {
		Command string `json:"command"`
	}
	if err := json.Unmarshal(line, &asked); err != nil {
		return plan{Errors: problems(err)}
	}
	command, known := commands[asked.Command]
	if !known {
		return plan{Errors: []problem{{Message: "no such command"}}}
	}
	return command(line)
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for {
		line, end := lines.ReadBytes('\n')
		if len(line) > 1 {
			if err := answers.Encode(answered(line)); err != nil {
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
