// SPDX-License-Identifier: Apache-2.0

/// Everything that `burrow bench` found out, as its JSON has it; times in seconds.
package struct BenchmarkReport: Sendable, Equatable, Codable {
    /// Where it was measured, and with which program.
    package struct Origin: Sendable, Equatable, Codable {
        package var processor: String
        package var processors: Int
        package var system: String
        /// Of Burrow, whose client measured.
        package var version: String
        /// Of the repository that the client was started in; nil elsewhere.
        package var commit: String?

        package init(
            processor: String, processors: Int, system: String, version: String, commit: String?
        ) {
            self.processor = processor
            self.processors = processors
            self.system = system
            self.version = version
            self.commit = commit
        }
    }

    /// The number of this layout.
    package var schema = 1
    /// What it is called in tables and plots.
    package var label: String
    package var origin: Origin
    /// Every option that shapes the workload, by its name on the command line.
    package var workload: [String: String]
    package var seeds: [UInt64]
    /// Whether the user ended it before all requests were through.
    package var isInterrupted: Bool
    /// One for each seed.
    package var runs: [RunStatistics]
    /// The numbers of the runs together, by name; a number that a run lacks is left out.
    package var summary: [String: Estimate]
    package var curves: ReportCurves

    /// Puts a report together from the outcomes of each seed.
    package init(
        label: String, origin: Origin, workload: [String: String],
        runs: [(seed: UInt64, outcomes: [RequestOutcome])], names: ModelNames,
        level: ServiceLevel?, isInterrupted: Bool = false
    ) {
        self.label = label
        self.origin = origin
        self.workload = workload
        self.isInterrupted = isInterrupted
        seeds = runs.map(\.seed)
        self.runs = runs.map {
            RunStatistics(seed: $0.seed, outcomes: $0.outcomes, names: names, level: level)
        }
        curves = ReportCurves(runs.map(\.outcomes), names: names)
        summary = [:]
        for number in ReportNumber.all {
            let values = self.runs.compactMap(number.value)
            if values.count == runs.count, let estimate = Estimate(values) {
                summary[number.name] = estimate
            }
        }
    }
}

/// One number of a run that is worth an estimate over seeds.
package struct ReportNumber: Sendable {
    /// How it is to be written.
    package enum Unit: Sendable {
        case seconds, perSecond, share, plain
    }

    /// Its key in `summary`.
    package let name: String
    package let unit: Unit
    package let value: @Sendable (RunStatistics) -> Double?

    /// In the order of tables.
    package static let all: [ReportNumber] =
        [
            ReportNumber("requests_per_second", .perSecond) { $0.requestsPerSecond },
            ReportNumber("output_tokens_per_second", .perSecond) { $0.outputTokensPerSecond },
        ]
        + distribution("ttft") { $0.latency.timeToFirstToken }
        + distribution("tpot") { $0.latency.timePerOutputToken }
        + distribution("e2e") { $0.latency.endToEnd }
        + distribution("normalised") { $0.latency.normalised }
        + [
            ReportNumber("normalised_by_tokens", .seconds) { $0.latency.normalisedByTokens },
            ReportNumber("slo_attainment", .share) { $0.attainment },
            ReportNumber("goodput", .perSecond) { $0.goodput },
            ReportNumber("goodput_tokens", .perSecond) { $0.goodputTokens },
            ReportNumber("jain", .plain) { $0.fairness?.jain },
            ReportNumber("largest_service_gap", .plain) { $0.fairness?.largestGap },
            ReportNumber("failed", .plain) { Double($0.requests - $0.completed) },
        ]

    private init(
        _ name: String, _ unit: Unit, _ value: @escaping @Sendable (RunStatistics) -> Double?
    ) {
        self.name = name
        self.unit = unit
        self.value = value
    }

    private static func distribution(
        _ name: String, _ of: @escaping @Sendable (RunStatistics) -> Distribution?
    ) -> [ReportNumber] {
        [
            ReportNumber("\(name)_mean", .seconds) { of($0)?.mean },
            ReportNumber("\(name)_p50", .seconds) { of($0)?.p50 },
            ReportNumber("\(name)_p90", .seconds) { of($0)?.p90 },
            ReportNumber("\(name)_p99", .seconds) { of($0)?.p99 },
            ReportNumber("\(name)_max", .seconds) { of($0)?.max },
        ]
    }
}
