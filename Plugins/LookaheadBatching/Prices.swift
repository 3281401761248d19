// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// The kinds of iteration whose times are measured apart.
enum IterationKind: Int, CaseIterable {
    case unmerged
    case merged
    case mixed

    init(_ mode: BatchMode) {
        switch mode {
        case .unmerged: self = .unmerged
        case .merged: self = .merged
        case .mixed: self = .mixed
        }
    }
}

/// Measured times of the last iterations of each kind.
///
/// The host's fit is linear and has one weight for all merged iterations. Where a machine is not
/// like that, the fit is off by about the same factor in all iterations of one kind, which these
/// give.
struct RecentIterations {
    private struct Iteration {
        var work: StepWork
        var seconds: Double
    }

    private static let kept = 32
    private var iterations = [[Iteration]](
        repeating: [], count: IterationKind.allCases.count)
    private var next = [Int](repeating: 0, count: IterationKind.allCases.count)

    mutating func note(_ step: StepObservation) {
        let kind = IterationKind(step.mode).rawValue
        let seconds = step.stepTime.inSeconds
        guard seconds > 0 else { return }
        let iteration = Iteration(work: step.work, seconds: seconds)
        if iterations[kind].count < Self.kept {
            iterations[kind].append(iteration)
        } else {
            iterations[kind][next[kind]] = iteration
            next[kind] = (next[kind] + 1) % Self.kept
        }
    }

    /// What predictions by `costs` of each kind must be multiplied with, between 0.5 and 2: the median
    /// of measured over predicted, so that iterations that stalled do not count.
    func corrections(of costs: CostEstimates) -> [Double] {
        iterations.map { iterations in
            var ratios: [Double] = []
            ratios.reserveCapacity(Self.kept + 4)
            for iteration in iterations {
                guard let seconds = costs.seconds(of: iteration.work), seconds > 0 else { continue }
                ratios.append(iteration.seconds / seconds)
            }
            // A few doubtful iterations shall not outweigh the fit.
            if ratios.count < Self.kept { ratios += [1, 1, 1] }
            ratios.sort()
            return min(max(ratios[ratios.count / 2], 0.5), 2)
        }
    }
}

/// What iterations cost, in seconds, as a prediction needs it.
struct Prices {
    let step: Double
    let promptToken: Double
    let row: Double
    let attended: Double
    let rankToken: Double
    let distinctRank: Double
    let mergedStep: Double
    private let corrections: [Double]

    init(_ costs: CostEstimates, corrections: [Double]) {
        step = Self.finite(costs.perStep)
        promptToken = Self.finite(costs.perPromptToken)
        row = Self.finite(costs.perDecodeToken)
        attended = Self.finite(costs.perAttendedToken)
        rankToken = Self.finite(costs.perRankToken)
        distinctRank = Self.finite(costs.perDistinctRank)
        mergedStep = Self.finite(costs.perMergedStep)
        self.corrections = corrections
    }

    /// The time of an iteration whose rows cost `rows` without LoRA paths and `paths` for these.
    ///
    /// A fit may promise the impossible where nothing like it was measured: merging takes off no
    /// more than three quarters of what the iteration costs without any adapter.
    func iteration(rows: Double, paths: Double, kind: IterationKind) -> Double {
        let plain = step + rows
        let merged = kind == .unmerged ? 0 : mergedStep
        let all = max(plain + paths + merged, plain / 4) * corrections[kind.rawValue]
        return max(all, Self.shortest)
    }

    private static let shortest = 1e-6

    private static func finite(_ value: Double) -> Double { value.isFinite ? value : 0 }
}
