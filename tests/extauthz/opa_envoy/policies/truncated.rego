package truncated

default result := false

result if not input.truncated_body
