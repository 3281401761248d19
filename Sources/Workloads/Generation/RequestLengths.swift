// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// How many tokens a prompt or an output has.
package enum LengthDistribution: Sendable, Equatable {
    case constant(Int)

    /// Every number of the range is as likely as any other.
    case uniform(ClosedRange<Int>)

    /// Log-normal with this mean and coefficient of variation, both above 0, rounded.
    case logNormal(mean: Double, cv: Double)

    func draw(_ random: inout RandomStream) -> Int {
        switch self {
        case .constant(let tokens): return tokens
        case .uniform(let range):
            return range.lowerBound + random.index(below: range.count)
        case .logNormal(let mean, let cv):
            let variance = log(1 + cv * cv)
            let tokens = exp(log(mean) - variance / 2 + variance.squareRoot() * random.normal())
            return Int(min(tokens.rounded(), 1e9))
        }
    }

    /// The mean before anything is clipped.
    package var mean: Double {
        switch self {
        case .constant(let tokens): Double(tokens)
        case .uniform(let range): Double(range.lowerBound + range.upperBound) / 2
        case .logNormal(let mean, _): mean
        }
    }
}

/// The lengths of one request.
package struct LengthPair: Sendable, Equatable {
    package var prompt: Int
    package var output: Int

    package init(prompt: Int, output: Int) {
        self.prompt = prompt
        self.output = output
    }

    /// Both multiplied and rounded, at least 1, and cut to the limits.
    package func scaled(by factor: Double, within limits: LengthLimits) -> LengthPair {
        func scale(_ tokens: Int) -> Int {
            factor == 1 ? tokens : Int(min(max(0, (Double(tokens) * factor).rounded()), 1e9))
        }
        return limits.cut(LengthPair(prompt: scale(prompt), output: scale(output)))
    }
}

/// Bounds of what is drawn; longer ones are cut.
package struct LengthLimits: Sendable, Equatable {
    /// The most tokens of a prompt, at least 1.
    package var prompt: Int

    /// The most tokens of prompt and output together, at least 2.
    package var total: Int

    package init(prompt: Int = 1 << 20, total: Int = 1 << 20) {
        self.prompt = max(1, prompt)
        self.total = max(2, total)
    }

    func cut(_ pair: LengthPair) -> LengthPair {
        let prompt = min(max(1, pair.prompt), prompt, total - 1)
        return LengthPair(prompt: prompt, output: min(max(1, pair.output), total - prompt))
    }
}

/// The lengths of a workload's requests.
package enum RequestLengths: Sendable, Equatable {
    /// Prompt and output are drawn independently of each other.
    case independent(prompt: LengthDistribution, output: LengthDistribution)

    /// Pairs of a trace, drawn with replacement and multiplied by `scale`; there is at least one.
    case recorded(RecordedLengths, scale: Double)

    func draw(_ random: inout RandomStream, within limits: LengthLimits) -> LengthPair {
        switch self {
        case .independent(let prompt, let output):
            let first = prompt.draw(&random)
            return limits.cut(LengthPair(prompt: first, output: output.draw(&random)))
        case .recorded(let recorded, let scale):
            let index = random.index(below: recorded.pairs.count)
            return recorded.pairs[index].scaled(by: scale, within: limits)
        }
    }
}

/// Pairs of prompt and output lengths that somebody has measured.
package struct RecordedLengths: Sendable, Equatable {
    package let pairs: [LengthPair]

    /// The file they are from.
    package let source: String

    /// - Returns: `nil` without any pair.
    package init?(_ pairs: [LengthPair], source: String) {
        guard !pairs.isEmpty else { return nil }
        self.pairs = pairs
        self.source = source
    }
}
