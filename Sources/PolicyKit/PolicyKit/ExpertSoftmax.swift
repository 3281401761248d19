// SPDX-License-Identifier: Apache-2.0

/// The softmax with which most gates turn what they computed into weights.
///
/// The same logits give the same bits on every machine.
public struct ExpertSoftmax: Sendable {
    /// Divides the logits.
    public var temperature: Float

    /// Experts at most that have a weight: those of the highest logits, of equal ones the first.
    public var mostExperts: Int

    public init(temperature: Float = 1, mostExperts: Int = .max) {
        self.temperature = temperature
        self.mostExperts = mostExperts
    }

    /// As ``init(temperature:mostExperts:)``, of a temperature whose logarithm was learned.
    public init(logTemperature: Float, mostExperts: Int = .max) {
        self.init(
            temperature: Float(exponential(Double(logTemperature))), mostExperts: mostExperts)
    }

    /// Gives the experts their weights, whose sum is 1.
    ///
    /// A logit behind those of the experts is that of an expert which adds nothing: it takes its
    /// share of the 1, whoever is masked or not among the highest. Where all experts are masked all
    /// weights are 0.
    ///
    /// - Parameters:
    ///   - logits: `[experts]` or `[experts + 1]`.
    ///   - experts: How many there are, at most 64.
    ///   - masked: The experts that have the weight 0, the lowest bit for the first.
    ///   - weights: Where the weights go: `experts` of them.
    ///   - start: The index of the first.
    public func weigh(
        _ logits: Span<Float>, experts: Int, masked: UInt64,
        into weights: inout MutableSpan<Float>, at start: Int
    ) {
        for expert in 0..<experts { weights[start + expert] = 0 }
        let all = experts < 64 ? UInt64(1) << UInt64(experts) - 1 : .max
        let kept = highest(of: logits, among: all & ~masked)
        guard kept != 0 else { return }
        let whole = logits.count > experts ? share(of: all, in: logits) : 1
        let (peak, sum) = exponentials(of: kept, in: logits)
        for expert in 0..<experts where kept >> UInt64(expert) & 1 == 1 {
            let power = exponential(scaled(logits[expert]) - peak)
            weights[start + expert] = Float(whole * power / sum)
        }
    }

    private func scaled(_ logit: Float) -> Double { Double(logit) / Double(temperature) }

    private func highest(of logits: Span<Float>, among open: UInt64) -> UInt64 {
        guard mostExperts < open.nonzeroBitCount else { return open }
        var (left, chosen) = (open, UInt64(0))
        for _ in 0..<max(0, mostExperts) {
            var best = left.trailingZeroBitCount
            for expert in best..<64 where left >> UInt64(expert) & 1 == 1 {
                if logits[expert] > logits[best] { best = expert }
            }
            chosen |= 1 << UInt64(best)
            left &= ~(1 << UInt64(best))
        }
        return chosen
    }

    /// The highest of the scaled logits, and the sum of their exponentials relative to it.
    private func exponentials(
        of experts: UInt64, in logits: Span<Float>
    ) -> (peak: Double, sum: Double) {
        var peak = -Double.infinity
        for expert in logits.indices where expert < 64 && experts >> UInt64(expert) & 1 == 1 {
            peak = max(peak, scaled(logits[expert]))
        }
        var sum = 0.0
        for expert in logits.indices where expert < 64 && experts >> UInt64(expert) & 1 == 1 {
            sum += exponential(scaled(logits[expert]) - peak)
        }
        return (peak, sum)
    }

    /// What is left of 1 beside the last logit.
    private func share(of experts: UInt64, in logits: Span<Float>) -> Double {
        let (peak, sum) = exponentials(of: experts, in: logits)
        return sum / (sum + exponential(scaled(logits[logits.count - 1]) - peak))
    }
}

/// e to the power of `x`, to 15 digits; without a C library, whose last bits differ by machine.
///
/// Cody and Waite: x = k ln 2 + r with |r| <= ln 2 / 2, and the series of e^r to its 12th term.
func exponential(_ x: Double) -> Double {
    if x.isNaN { return x }
    if x < -700 { return 0 }
    if x > 700 { return .infinity }
    // To the nearest integer; `rounded()` is a library call for the oldest processors.
    let power = Int(x * 1.442_695_040_888_963_4 + (x < 0 ? -0.5 : 0.5))
    let k = Double(power)
    let r = (x - k * 6.931_471_803_691_238_16e-01) - k * 1.908_214_929_270_587_70e-10
    var sum = 1.0 / 479_001_600
    sum = sum * r + 1.0 / 39_916_800
    sum = sum * r + 1.0 / 3_628_800
    sum = sum * r + 1.0 / 362_880
    sum = sum * r + 1.0 / 40_320
    sum = sum * r + 1.0 / 5_040
    sum = sum * r + 1.0 / 720
    sum = sum * r + 1.0 / 120
    sum = sum * r + 1.0 / 24
    sum = sum * r + 1.0 / 6
    sum = sum * r + 0.5
    sum = sum * r + 1
    sum = sum * r + 1
    return sum * Double(sign: .plus, exponent: power, significand: 1)
}
