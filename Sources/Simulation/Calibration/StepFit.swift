// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// An iteration that was measured, perhaps several times.
package struct MeasuredStep: Sendable, Equatable {
    package var work: StepWork

    /// The sum of the positions at which its requests went on.
    package var cachedTokens: Int

    /// What it took, on the mean where it was measured several times.
    package var seconds: Double

    package init(work: StepWork, cachedTokens: Int, seconds: Double) {
        self.work = work
        self.cachedTokens = cachedTokens
        self.seconds = seconds
    }
}

/// Finds what iterations cost from some that were measured.
///
/// Squares of *relative* errors are minimised, so that short iterations count as much as long ones,
/// over weights of at least zero; only a merged copy may save time. Two models are fitted. The linear
/// one is that of ``CostEstimates``, with a price for cached tokens. The other has, in place of a constant and a price for each row, a
/// table over the number of rows, linear between its entries: a step of few rows takes the time that
/// the weights need to come from memory whatever their number, one of many that of its arithmetic, and
/// kernels compute rows in tiles.
package struct StepFit: Sendable, Equatable {
    /// |predicted − measured| / measured of iterations that the fit had not seen.
    package struct Errors: Sendable, Equatable {
        package var mean = 0.0
        package var p90 = 0.0
        package var steps = 0

        package init(_ costs: SimulatedCosts, on steps: [MeasuredStep]) {
            self.init(
                steps.map { step in
                    let predicted = costs.seconds(of: step.work, cachedTokens: step.cachedTokens)
                    return abs(predicted - step.seconds) / step.seconds
                })
        }

        init(_ errors: [Double]) {
            let errors = errors.sorted()
            steps = errors.count
            guard !errors.isEmpty else { return }
            mean = errors.reduce(0, +) / Double(errors.count)
            p90 = errors[min(errors.count - 1, Int(0.9 * Double(errors.count)))]
        }
    }

    /// The model with a table, fitted to all iterations; other costs are as they were given.
    package var costs: SimulatedCosts

    /// The same without a table.
    package var linearCosts: SimulatedCosts

    /// The errors of both on every fifth iteration, fitted to the others.
    package var errors: Errors
    package var linearErrors: Errors

    /// Fits both; `costs` has what is not fitted. `steps` are in no order of size.
    package init(_ steps: [MeasuredStep], completing costs: SimulatedCosts = SimulatedCosts()) {
        let steps = steps.filter { $0.seconds > 0 && $0.seconds.isFinite }
        let seen = steps.enumerated().filter { $0.offset % 5 != 2 }.map(\.element)
        let unseen = steps.enumerated().filter { $0.offset % 5 == 2 }.map(\.element)
        linearErrors = Errors(Self.linear(seen, completing: costs), on: unseen)
        errors = Errors(Self.tabulated(seen, completing: costs), on: unseen)
        linearCosts = Self.linear(steps, completing: costs)
        self.costs = Self.tabulated(steps, completing: costs)
    }

    private static func linear(
        _ steps: [MeasuredStep], completing costs: SimulatedCosts
    ) -> SimulatedCosts {
        let weights = solve(steps) { work in
            [1, Double(work.promptTokens), Double(work.decodeTokens)]
        }
        guard weights.count > 7 else { return costs }
        var costs = costs
        costs.setPaths(weights)
        costs.steps.perStep = weights[5]
        costs.steps.perPromptToken = weights[6]
        costs.steps.perDecodeToken = weights[7]
        costs.rowTimes = []
        return costs
    }

    private static func tabulated(
        _ steps: [MeasuredStep], completing costs: SimulatedCosts
    ) -> SimulatedCosts {
        let knots = knots(for: steps.map(\.work.rows))
        guard let first = knots.first else { return linear(steps, completing: costs) }
        // The first entry and, for each later one, by how much it is above the one before.
        let weights = solve(steps) { work in
            [Double(work.decodeTokens), 1]
                + zip(knots, knots.dropFirst()).enumerated().map { index, ends in
                    let isLast = index == knots.count - 2
                    let share = Double(work.rows - ends.0) / Double(ends.1 - ends.0)
                    return max(0, isLast ? share : min(1, share))
                }
        }
        var costs = costs
        costs.setPaths(weights)
        costs.steps.perStep = 0
        costs.steps.perPromptToken = 0
        costs.steps.perDecodeToken = weights[5]
        var sum = weights[6]
        costs.rowTimes = [RowTime(rows: first, seconds: sum)]
        for (knot, increment) in zip(knots.dropFirst(), weights.dropFirst(7)) {
            sum += increment
            costs.rowTimes.append(RowTime(rows: knot, seconds: sum))
        }
        return costs
    }

    /// The numbers of rows that the table has entries for: four for each power of two up to 16, two
    /// beyond, and only where something was measured.
    static func knots(for rows: [Int]) -> [Int] {
        let rows = Set(rows.filter { $0 > 0 }).sorted()
        guard let least = rows.first, let most = rows.last else { return [] }
        var knots = [least]
        for power in 0..<24 {
            for quarters in power < 4 ? 4..<8 : 4..<7 where power < 4 || quarters != 5 {
                let (knot, last) = ((quarters << power) / 4, knots[knots.count - 1])
                guard knot > last, knot < most, rows.contains(where: { $0 > last && $0 <= knot })
                else {
                    continue
                }
                knots.append(knot)
            }
        }
        if most > least { knots.append(most) }
        return knots
    }

    /// Weights of attention, paths and merged copies, then those of `features`.
    private static func solve(
        _ steps: [MeasuredStep], _ features: (StepWork) -> [Double]
    ) -> [Double] {
        let inputs = steps.map { step in
            let work = step.work
            let paths: [Double] = [
                Double(work.attendedTokens), Double(work.rankTokens), Double(work.distinctRanks),
                work.isMerged ? 1 : 0, Double(step.cachedTokens),
            ]
            return (paths + features(work)).map { $0 / step.seconds }
        }
        return NonNegativeFit(
            inputs: inputs, targets: [Double](repeating: 1, count: steps.count), signed: [3]
        ).weights()
    }
}

extension SimulatedCosts {
    /// Sets what both models have in common.
    fileprivate mutating func setPaths(_ weights: [Double]) {
        steps.perAttendedToken = weights[0]
        steps.perRankToken = weights[1]
        steps.perDistinctRank = weights[2]
        steps.perMergedStep = weights[3]
        perCachedToken = weights[4]
    }
}
