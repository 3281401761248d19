// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// How values become places along an axis, and where the axis has its marks.
struct PlotScale {
    enum Kind { case linear, logarithmic }

    let kind: Kind
    let low: Double
    let high: Double
    /// Ascending, within the axis.
    let ticks: [Double]

    /// From 0 to a round number at or above `highest`, with at most about six marks.
    static func linear(to highest: Double) -> PlotScale {
        let highest = highest > 0 && highest.isFinite ? highest : 1
        let rough = highest / 5
        let power = pow(10, floor(log10(rough)))
        let step = ([1, 2, 5, 10].first { $0 * power >= rough * 0.999 } ?? 10) * power
        let count = Int((highest / step).rounded(.up))
        return PlotScale(
            kind: .linear, low: 0, high: Double(count) * step,
            ticks: (0...count).map { Double($0) * step })
    }

    /// From a round number at or below `lowest` to one at or above `highest`, both above 0; marks
    /// at 1, 2 and 5 times a power of ten, or where these were too many, at powers only.
    static func logarithmic(from lowest: Double, to highest: Double) -> PlotScale {
        let lowest = lowest > 0 && lowest.isFinite ? max(lowest, 1e-6) : 1e-3
        let highest = highest.isFinite ? max(highest, lowest * 1.01) : lowest * 10
        let powers = Int(floor(log10(lowest)))...Int(ceil(log10(highest)))
        let all = powers.flatMap { power in [1, 2, 5].map { $0 * pow(10, Double(power)) } }
        let low = all.last { $0 <= lowest * 1.000001 } ?? lowest
        let high = all.first { $0 >= highest * 0.999999 } ?? highest
        var ticks = all.filter { $0 >= low * 0.999999 && $0 <= high * 1.000001 }
        if ticks.count > 8 {
            ticks = ticks.filter { abs(log10($0) - log10($0).rounded()) < 1e-9 }
        }
        return PlotScale(kind: .logarithmic, low: low, high: high, ticks: ticks)
    }

    /// 0 at the low end, 1 at the high end; what lies outside is moved to the end.
    func place(_ value: Double) -> Double {
        let part =
            switch kind {
            case .linear: (value - low) / (high - low)
            case .logarithmic: log(max(value, low) / low) / log(high / low)
            }
        return min(max(part, 0), 1)
    }
}

/// Numbers as plots and tables show them.
package enum NumberText {
    /// Three digits that count, without an exponent: `1,234`, `12.3`, `0.0123`.
    package static func short(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        guard value != 0 else { return "0" }
        // Rounded first, as 9.996 has a digit less behind the point than it seems.
        let scale = pow(10, 2 - floor(log10(abs(value))))
        let rounded = (abs(value) * scale).rounded() / scale
        let digits = min(max(2 - Int(floor(log10(rounded) + 1e-9)), 0), 6)
        return String(format: "%.\(digits)f", value)
    }

    /// A time in the unit that suits it: `850 us`, `12.3 ms`, `1.25 s`.
    package static func time(_ seconds: Double) -> String {
        switch abs(seconds) {
        case 0: "0"
        case ..<0.9995e-3: "\(short(seconds * 1e6)) us"
        case ..<0.9995: "\(short(seconds * 1e3)) ms"
        default: "\(short(seconds)) s"
        }
    }

    /// A number at a mark of an axis, without zeros behind the point that say nothing.
    static func tick(_ value: Double) -> String {
        let text = String(format: "%.6f", value)
        let trimmed = text.reversed().drop { $0 == "0" }.drop { $0 == "." }
        return String(trimmed.reversed())
    }
}
