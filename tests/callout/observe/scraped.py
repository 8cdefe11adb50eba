"""Reading an exposition as Prometheus does."""

from prometheus_client.parser import text_string_to_metric_families


def samples(exposition: bytes) -> dict[str, float]:
    """Values by `name{label="value"}`, labels in order of their names."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(exposition.decode()):
        for sample in family.samples:
            labels = ",".join(f'{key}="{each}"' for key, each in sorted(sample.labels.items()))
            name = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert name not in found, f"{name} is there twice"
            found[name] = sample.value
    return found
