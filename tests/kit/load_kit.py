"""Stretches of load with given figures."""

from loadtest.load import Kind, Latency, Load


def load(kind=Kind.CLOSED, throughput=100.0, p50=1.0, p99=2.0, rate=0.0, saturated=False):
    latency = Latency(mean=p50, p50=p50, p95=p99, p99=p99, max=p99, curve=(p50,) * 102)
    return Load(
        kind=kind,
        connections=1,
        rate=rate,
        seconds=1.0,
        answered=int(throughput),
        throughput=throughput,
        latency=latency,
        errors=(),
        generator_share=0.1,
        late_p99_ms=0.0,
        server_cpu_seconds=throughput * 1e-3,
        saturated=saturated,
    )
