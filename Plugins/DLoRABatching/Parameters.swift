// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// Which text is followed where the paper and its artifact differ.
enum Variant: String, ParameterChoice {
    case paper, artifact
}

extension DLoRABatching {
    struct Parameters: PolicyParameters {
        @Parameter(
            "Merge when requests of one adapter, over requests of the batch, are more than this.",
            in: 0.05...64)
        var alpha: Double = 1.0

        @Parameter(
            "Go back to unmerged when that ratio is less than this; it must be less than alpha.",
            in: 0.05...64)
        var beta: Double = 0.556

        @Parameter(
            "What tuning takes from alpha, or adds to beta, where the other mode would have done more.",
            in: 0.001...1)
        var decrease: Double = 0.05

        @Parameter("What tuning multiplies alpha with, or divides beta by.", in: 1.001...4)
        var increase: Double = 1.1

        @Parameter("The most that tuning may make of alpha.", in: 0.1...1_024)
        var ceiling: Double = 2

        @Parameter("Iterations after which thresholds are tuned at the latest.", in: 1...100_000)
        var period: Int = 64

        @Parameter(
            "Weight of the newest period in the mean that tuning looks at; 1 looks at nothing else.",
            in: 0.01...1)
        var smoothing: Double = 0.5

        @Parameter(
            "`paper` follows Algorithms 1 and 2 as printed, `artifact` the authors' program.")
        var variant: Variant = .paper
    }
}
