"""Times written in bulk are the times written one by one."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from runtime.call_times import observe_many


@given(st.lists(st.floats(min_value=0, max_value=100, allow_nan=False), max_size=50))
def test_many_values_count_as_each_of_them_would(values: list[float]) -> None:
    one, many = CollectorRegistry(), CollectorRegistry()
    single = Histogram("seconds", "Times.", registry=one, buckets=(0.1, 1, 10))
    bulk = Histogram("seconds", "Times.", registry=many, buckets=(0.1, 1, 10))
    for value in values:
        single.observe(value)
    observe_many(bulk, values)
    for suffix, labels in [("bucket", {"le": le}) for le in ("0.1", "1.0", "10.0", "+Inf")] + [("count", {})]:
        name = f"seconds_{suffix}"
        assert one.get_sample_value(name, labels) == many.get_sample_value(name, labels)
