package contract

echo := input.x

within := {"value": [input.x], "other": input.x}

undefined := 1 if input.x == "never"

halves := {"is": input.x > 1} if input.x

default denied := false

denied if input.x == "yes"

total := sum(input.xs)

product := input.xs[0] * input.xs[1]

quotient := input.xs[0] / input.xs[1]

compared := {"less": input.xs[0] < input.xs[1], "equal": input.xs[0] == input.xs[1]}

members := {x | some x in input.xs}

size := count(input.x)

longest := max([count(name) | some name, _ in input.x])

depth := count([path | walk(input.x, [path, _])])

conflict := x if some x in [1, 2]

unread := to_number(input.x)

else_unread := "no number" if not to_number(input.x)

far := json.unmarshal(input.x)

joined := sprintf("%s|%s", [input.x, upper(input.x)])

endless := count([1 |
	some a in numbers.range(1, 3000)
	some b in numbers.range(1, 3000)
	some c in numbers.range(1, 3000)
	a + b + c == input.x
])
