// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading

/// Looks for the smallest value of a function that can only be evaluated: CMA-ES with bounds.
///
/// Source: Hansen, "The CMA evolution strategy: a tutorial" (arXiv 1604.00772), with its default
/// parameters. A point outside the bounds is evaluated at the nearest point inside.
struct EvolutionSearch {
    /// What a search is bounded by.
    struct Settings: Sendable, Equatable {
        /// Evaluations, the first point's among them.
        var evaluations: Int
        var seed: UInt64
        var bounds: ClosedRange<Double>
        /// The first standard deviation of each coordinate.
        var stepSize: Double
    }

    struct Outcome: Equatable {
        var point: [Double]
        var value: Double
        var evaluations: Int
    }

    private let settings: Settings
    private var random: SplitMix64
    private var state: EvolutionState
    private(set) var best: Outcome

    /// Evaluates `start`, and then generations of points until the evaluations are used up.
    static func minimum<E: Error>(
        from start: [Double], _ settings: Settings,
        _ value: (_ point: [Double]) throws(E) -> Double
    ) throws(E) -> Outcome {
        var search = EvolutionSearch(
            settings, start: start, value: try value(clamped(start, settings.bounds)))
        while search.best.evaluations < settings.evaluations, search.state.isMoving {
            try search.generation(value)
        }
        return search.best
    }

    private init(_ settings: Settings, start: [Double], value: Double) {
        self.settings = settings
        random = SplitMix64(seed: settings.seed)
        state = EvolutionState(mean: start, stepSize: settings.stepSize)
        best = Outcome(
            point: Self.clamped(start, settings.bounds), value: value, evaluations: 1)
    }

    private mutating func generation<E: Error>(
        _ value: (_ point: [Double]) throws(E) -> Double
    ) throws(E) {
        var drawn: [(step: [Double], value: Double)] = []
        while drawn.count < state.populationSize, best.evaluations < settings.evaluations {
            let step = state.step(state.mean.map { _ in random.normal() })
            let point = Self.clamped(
                zip(state.mean, step).map { $0 + state.stepSize * $1 }, settings.bounds)
            let given = try value(point)
            let found = given.isNaN ? .infinity : given
            best.evaluations += 1
            if found < best.value {
                best.point = point
                best.value = found
            }
            // The step that was really made, so that the strategy learns of the bounds.
            let made = zip(point, state.mean).map { ($0 - $1) / state.stepSize }
            drawn.append((made, found))
        }
        guard drawn.count == state.populationSize else { return }
        // Of equal values the one drawn first, so that a search can be repeated.
        let order = drawn.indices.sorted { (drawn[$0].value, $0) < (drawn[$1].value, $1) }
        state.adapt(to: order.prefix(state.parentCount).map { drawn[$0].step })
    }

    private static func clamped(_ point: [Double], _ bounds: ClosedRange<Double>) -> [Double] {
        point.map { min(max($0, bounds.lowerBound), bounds.upperBound) }
    }
}
