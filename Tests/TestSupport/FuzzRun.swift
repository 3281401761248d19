// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How long a fuzz test goes on, and from which seed.
///
/// `BURROW_FUZZ_SECONDS` lengthens every run and lets it begin anywhere. `BURROW_FUZZ_SEED` begins
/// with one round: the one whose seed a message gave, or, after a trap, the one that was printed.
package struct FuzzRun: Sendable {
    private let seed: UInt64
    private let seconds: Double
    private let leastRounds: Int

    /// A run of some seconds and rounds, whichever is longer; without a seed it begins anywhere.
    package init(seconds: Double = 0.5, rounds: Int = 1, seed: UInt64? = nil) {
        let environment = ProcessInfo.processInfo.environment
        let longer = environment["BURROW_FUZZ_SECONDS"].flatMap(Double.init)
        let given = environment["BURROW_FUZZ_SEED"].flatMap(UInt64.init)
        self.seconds = longer ?? seconds
        self.seed = given ?? (longer == nil ? seed : nil) ?? .random(in: 0...UInt64.max)
        leastRounds = rounds
    }

    /// Calls `round` again and again, with a generator and the seed that it began with.
    package func forEachRound(
        _ round: (inout SeededRandom, UInt64) throws -> Void
    ) rethrows {
        print("fuzzing from seed \(seed)")
        let end = ContinuousClock.now + .seconds(seconds)
        var count = 0
        while count < leastRounds || ContinuousClock.now < end {
            let seed = seed &+ UInt64(count)
            var random = SeededRandom(seed: seed)
            try round(&random, seed)
            count += 1
        }
    }
}
