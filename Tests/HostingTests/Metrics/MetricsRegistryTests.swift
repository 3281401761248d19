// SPDX-License-Identifier: Apache-2.0

import Hosting
import Testing

private func text(_ registry: MetricsRegistry) -> String {
    String(decoding: registry.exposition(), as: UTF8.self)
}

@Suite struct MetricsRegistryTests {
    @Test func eachKindIsExposedInItsForm() throws {
        var registry = MetricsRegistry()
        let counter = registry.counter(MetricDescription("a_total", "As.", labels: []))
        let gauge = registry.gauge(MetricDescription("b", "Bs.\nAnd \\.", labels: ["x", "y"]))
        let histogram = registry.histogram(
            MetricDescription("c", "Cs.", labels: ["x"]), bounds: [0.5, 1, 10])
        registry.increment(registry.series(counter), by: 2)
        registry.set(registry.series(gauge, ["1", "a\"\\\nb"]), to: -1.5)
        let series = registry.series(histogram, ["1"])
        for value in [0.5, 0.6, 11, 1] { registry.observe(value, in: series) }
        #expect(
            text(registry) == #"""
                # HELP a_total As.
                # TYPE a_total counter
                a_total 2
                # HELP b Bs.\nAnd \\.
                # TYPE b gauge
                b{x="1",y="a\"\\\nb"} -1.5
                # HELP c Cs.
                # TYPE c histogram
                c_bucket{x="1",le="0.5"} 1
                c_bucket{x="1",le="1.0"} 3
                c_bucket{x="1",le="10.0"} 3
                c_bucket{x="1",le="+Inf"} 4
                c_sum{x="1"} 13.1
                c_count{x="1"} 4

                """#)
        let check = try ExpositionCheck(registry.exposition())
        #expect(check.value("b", ["y": "a\"\\\nb"]) == -1.5)
        let total = registry.total(series)
        #expect(total?.count == 4 && total?.sum == 13.1)
    }

    @Test(
        arguments: [
            (0, "0"), (-3, "-3"), (0.1, "0.1"), (1e16, "1e+16"), (123_456_789, "123456789"),
            (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"),
        ] as [(Double, String)])
    func numbersAreWrittenAsPrometheusReadsThem(value: Double, expected: String) {
        var registry = MetricsRegistry()
        let gauge = registry.gauge(MetricDescription("g", "G.", labels: []))
        registry.set(registry.series(gauge), to: value)
        #expect(text(registry).hasSuffix("\ng \(expected)\n"))
    }

    @Test func badAmountsAreLeftOut() {
        var registry = MetricsRegistry()
        let family = registry.counter(MetricDescription("a_total", "A.", labels: []))
        let counter = registry.series(family)
        for amount in [-1, .nan, .infinity] as [Double] { registry.increment(counter, by: amount) }
        #expect(registry.value(counter) == 0)
        let distribution = registry.histogram(
            MetricDescription("h", "H.", labels: []), bounds: [1])
        let series = registry.series(distribution)
        registry.observe(.nan, in: series)
        #expect(registry.total(series)?.count == 0)
    }

    @Test func seriesBeyondTheLimitShareOne() throws {
        var registry = MetricsRegistry()
        let family = registry.counter(
            MetricDescription(
                "a_total", "A.", labels: ["model", "adapter"], openLabel: "adapter",
                seriesLimit: 2))
        for name in ["x", "y", "z", "w", "x"] {
            registry.increment(registry.series(family, ["m", name]))
        }
        let check = try ExpositionCheck(registry.exposition())
        #expect(check.value("a_total", ["adapter": "x"]) == 2)
        #expect(check.value("a_total", ["adapter": "_other", "model": "m"]) == 2)
        #expect(check.samples.count { $0.name == "a_total" } == 3)
        #expect(
            check.value("burrow:metric_series_overflow_total", ["family": "a_total"]) == 2)
    }

    @Test func aRemovedSeriesIsGoneAndItsHandleIsDead() throws {
        var registry = MetricsRegistry()
        let family = registry.gauge(MetricDescription("g", "G.", labels: ["x"]))
        let first = registry.series(family, ["1"])
        registry.set(first, to: 5)
        registry.remove(family, ["1"])
        #expect(registry.value(first) == nil)
        let second = registry.series(family, ["2"])
        registry.add(7, to: first)
        registry.set(first, to: 9)
        #expect(registry.value(second) == 0)
        #expect(text(registry).hasSuffix("gauge\ng{x=\"2\"} 0\n"))
        registry.keepOnly(family, ["3"])
        #expect(text(registry).hasSuffix("gauge\n"))
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func anyLabelValuesReadBack(seed: UInt64) throws {
        var registry = MetricsRegistry()
        let family = registry.histogram(
            MetricDescription("h", "H.", labels: ["x"]), bounds: [1, 2])
        let scalars = ["\"", "\\", "\n", "\r", "}", "{", ",", "=", " ", "é", "\u{0}", "n"]
        var state = seed
        var values: Set<String> = []
        for _ in 0..<50 {
            var value = ""
            for _ in 0..<6 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                value += scalars[Int(state >> 33) % scalars.count]
            }
            values.insert(value)
            registry.observe(Double(state % 4), in: registry.series(family, [value]))
        }
        let check = try ExpositionCheck(registry.exposition())
        let found = check.samples.filter { $0.name == "h_count" }.map { $0.labels["x"] ?? "" }
        #expect(Set(found) == values, "seed \(seed)")
    }

    @Test func oneTwoFiveEndsAtItsLimit() {
        #expect(MetricBuckets.oneTwoFive(upTo: 100) == [1, 2, 5, 10, 20, 50, 100])
        #expect(MetricBuckets.oneTwoFive(upTo: 99) == [1, 2, 5, 10, 20, 50])
        #expect(MetricBuckets.oneTwoFive(upTo: 0) == [1])
        #expect(MetricBuckets.oneTwoFive(upTo: .max).last == 5e18)
    }
}
