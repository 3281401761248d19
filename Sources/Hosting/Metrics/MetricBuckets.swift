// SPDX-License-Identifier: Apache-2.0

/// Upper bounds of histogram buckets; those of vLLM's families are vLLM's, to the digit, since
/// dashboards name them.
nonisolated package enum MetricBuckets {
    package static let timeToFirstToken: [Double] = [
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20,
        40, 80, 160, 640, 2560,
    ]
    package static let interToken: [Double] = [
        0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40,
        80,
    ]
    package static let requestLatency: [Double] = [
        0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920,
        7680,
    ]
    package static let iterationTokens: [Double] = [
        1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384,
    ]
    package static let choices: [Double] = [1, 2, 5, 10, 20]

    /// Few, since each adapter has its own.
    package static let adapterLatency: [Double] = [
        0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 10, 40, 160,
    ]
    /// Few, since each expert of each mixture has its own.
    package static let gateWeight: [Double] = [0.01, 0.05, 0.125, 0.25, 0.5, 0.75, 0.9, 0.99]
    package static let step: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    /// From a microsecond, for policies and the scheduler around them.
    package static let decision: [Double] = [
        0.000_001, 0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001,
        0.002_5, 0.005, 0.01, 0.1,
    ]
    package static let merge: [Double] = [
        0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]

    /// 1, 2, 5, 10, 20, 50 … up to `limit`.
    package static func oneTwoFive(upTo limit: Int) -> [Double] {
        var bounds: [Double] = []
        var power = 1
        while true {
            for mantissa in [1, 2, 5] {
                let (bound, overflow) = power.multipliedReportingOverflow(by: mantissa)
                if overflow || bound > limit { return bounds.isEmpty ? [1] : bounds }
                bounds.append(Double(bound))
            }
            let (next, overflow) = power.multipliedReportingOverflow(by: 10)
            if overflow { return bounds }
            power = next
        }
    }
}
