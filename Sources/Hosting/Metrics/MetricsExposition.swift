// SPDX-License-Identifier: Apache-2.0

nonisolated extension MetricsRegistry {
    /// The content type of `exposition`.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// All families in Prometheus' text format 0.0.4, in the order of their declaration.
    ///
    /// Source: prometheus.io/docs/instrumenting/exposition_formats, "Text-based format".
    package func exposition() -> [UInt8] {
        var text = MetricText()
        for family in families { text.append(family) }
        text.appendOverflow(of: families)
        return text.bytes
    }
}

/// A text exposition under construction.
nonisolated struct MetricText {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ family: MetricFamily) {
        let name = family.description.name
        switch family.kind {
        case .counter, .gauge:
            appendHead(name, family.description.help, family.kind == .counter ? "counter" : "gauge")
            for (index, series) in family.series.enumerated() where series.isLive {
                appendSample(name, series.labelText, family.cells[index])
            }
        case .histogram(let bounds):
            appendHead(name, family.description.help, "histogram")
            let limits = bounds.map { "le=\"\($0.description)\"" } + ["le=\"+Inf\""]
            for (index, series) in family.series.enumerated() where series.isLive {
                let start = index * family.stride
                let cells = family.cells[start..<start + family.stride]
                appendHistogram(name, series.labelText, limits: limits, cells: Array(cells))
            }
        }
    }

    /// A family of its own, only there when some family met its limit.
    mutating func appendOverflow(of families: [MetricFamily]) {
        let full = families.filter { $0.overflowCount > 0 }
        guard !full.isEmpty else { return }
        let name = "burrow:metric_series_overflow_total"
        appendHead(name, "Look-ups of a series beyond the limit of its family.", "counter")
        for family in full {
            let labels = Self.labels(["family"], [family.description.name])
            appendSample(name, labels, Double(family.overflowCount))
        }
    }

    private mutating func appendHead(_ name: String, _ help: String, _ type: String) {
        append("# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(type)\n")
    }

    private mutating func appendHistogram(
        _ name: String, _ labels: String, limits: [String], cells: [Double]
    ) {
        var cumulative = 0.0
        let bucket = name + "_bucket"
        let separator = labels.isEmpty ? "" : ","
        for (limit, count) in zip(limits, cells) {
            cumulative += count
            appendSample(bucket, labels + separator + limit, cumulative)
        }
        appendSample(name + "_sum", labels, cells[cells.count - 1])
        appendSample(name + "_count", labels, cumulative)
    }

    private mutating func appendSample(_ name: String, _ labels: String, _ value: Double) {
        append(name)
        if !labels.isEmpty { append("{\(labels)}") }
        append(" \(Self.number(value))\n")
    }

    private mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    // MARK: - Lexical rules

    static func labels(_ names: [String], _ values: [String]) -> String {
        zip(names, values).map { "\($0)=\"\(escaped($1, quotes: true))\"" }.joined(separator: ",")
    }

    static func escaped(_ text: String, quotes: Bool) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result.append(contentsOf: "\\\\".unicodeScalars)
            case "\n": result.append(contentsOf: "\\n".unicodeScalars)
            case "\"" where quotes: result.append(contentsOf: "\\\"".unicodeScalars)
            default: result.append(scalar)
            }
        }
        return String(result)
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let integer = Int(exactly: value), abs(value) < 1e15 { return String(integer) }
        return value.description
    }

    static func isName(_ name: String) -> Bool {
        isWord(name) { $0 == UInt8(ascii: ":") }
    }

    static func isLabelName(_ name: String) -> Bool {
        isWord(name) { _ in false } && !name.hasPrefix("__")
    }

    private static func isWord(_ word: String, or isExtra: (UInt8) -> Bool) -> Bool {
        guard let first = word.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return word.utf8.allSatisfy {
            isExtra($0) || $0 == UInt8(ascii: "_") || (0x30...0x39).contains($0)
                || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
        }
    }
}
