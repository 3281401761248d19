// SPDX-License-Identifier: Apache-2.0

/// A strict reader of Prometheus' text format 0.0.4, which finds what a lenient one lets pass.
struct ExpositionCheck {
    struct Sample: Equatable {
        var name: String
        var labels: [String: String]
        var value: Double
    }

    struct Malformed: Error {
        let message: String
    }

    private(set) var types: [String: String] = [:]
    private(set) var help: [String: String] = [:]
    private(set) var samples: [Sample] = []

    init(_ bytes: [UInt8]) throws(Malformed) {
        guard let text = String(validating: bytes, as: UTF8.self), text.hasSuffix("\n") else {
            throw Malformed(message: "not UTF-8, or no line feed at its end")
        }
        var current = ""
        var seen: Set<String> = []
        for line in text.utf8.dropLast().split(separator: 0x0A, omittingEmptySubsequences: false) {
            let line = String(decoding: line, as: UTF8.self)
            if line.hasPrefix("# ") {
                current = try head(line, after: current)
            } else {
                let sample = try Self.sample(line)
                try belongs(sample, to: current)
                guard
                    seen.insert("\(sample.name) \(sample.labels.sorted { $0.key < $1.key })")
                        .inserted
                else { throw Malformed(message: "twice: \(line)") }
                samples.append(sample)
            }
        }
        for (name, type) in types where type == "histogram" { try checkHistogram(name) }
    }

    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        let found = samples.filter { sample in
            sample.name == name && labels.allSatisfy { sample.labels[$0.key] == $0.value }
        }
        return found.count == 1 ? found[0].value : nil
    }

    /// HELP, then TYPE, then the samples of one family, once.
    private mutating func head(_ line: String, after current: String) throws(Malformed) -> String {
        let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
        guard words.count == 4, isName(String(words[2]), colon: true) else {
            throw Malformed(message: "comment: \(line)")
        }
        let name = String(words[2])
        switch words[1] {
        case "HELP":
            guard help.updateValue(String(words[3]), forKey: name) == nil, types[name] == nil
            else { throw Malformed(message: "HELP twice or late: \(name)") }
        case "TYPE":
            guard ["counter", "gauge", "histogram"].contains(words[3]), current == name,
                types.updateValue(String(words[3]), forKey: name) == nil
            else { throw Malformed(message: "TYPE: \(line)") }
            guard words[3] != "counter" || name.hasSuffix("_total") else {
                throw Malformed(message: "counter without _total: \(name)")
            }
        default: throw Malformed(message: "comment: \(line)")
        }
        return name
    }

    private func belongs(_ sample: Sample, to family: String) throws(Malformed) {
        let names =
            types[family] == "histogram"
            ? ["_bucket", "_sum", "_count"].map { family + $0 } : [family]
        guard types[family] != nil, names.contains(sample.name) else {
            throw Malformed(message: "\(sample.name) does not belong to \(family)")
        }
        guard types[family] != "counter" || sample.value >= 0 else {
            throw Malformed(message: "\(sample.name) is negative")
        }
    }

    /// Cumulative buckets with ascending bounds, the last +Inf and equal to the count.
    private func checkHistogram(_ name: String) throws(Malformed) {
        var series: [[String: String]: [(bound: Double, count: Double)]] = [:]
        for sample in samples where sample.name == name + "_bucket" {
            var labels = sample.labels
            guard let limit = labels.removeValue(forKey: "le"), let bound = Self.number(limit)
            else { throw Malformed(message: "\(name) has a bucket without le") }
            series[labels, default: []].append((bound, sample.value))
        }
        for (labels, buckets) in series {
            let ascending = zip(buckets, buckets.dropFirst()).allSatisfy {
                $0.bound < $1.bound && $0.count <= $1.count
            }
            let count = samples.first { $0.name == name + "_count" && $0.labels == labels }
            let sum = samples.first { $0.name == name + "_sum" && $0.labels == labels }
            guard ascending, buckets.last?.bound == .infinity, buckets.last?.count == count?.value,
                sum != nil
            else { throw Malformed(message: "\(name) \(labels) is not a histogram") }
        }
    }

    // MARK: - Lines

    private static func sample(_ line: String) throws(Malformed) -> Sample {
        var rest = Substring(line).unicodeScalars
        let name = String(rest.prefix { $0 != "{" && $0 != " " })
        rest = rest.dropFirst(name.unicodeScalars.count)
        guard isName(name, colon: true) else { throw Malformed(message: "name: \(line)") }
        var labels: [String: String] = [:]
        if rest.first == "{" {
            rest.removeFirst()
            labels = try Self.labels(&rest, line)
        }
        guard rest.popFirst() == " ", let value = number(String(rest)) else {
            throw Malformed(message: "value: \(line)")
        }
        return Sample(name: name, labels: labels, value: value)
    }

    private static func labels(
        _ rest: inout Substring.UnicodeScalarView, _ line: String
    ) throws(Malformed) -> [String: String] {
        var labels: [String: String] = [:]
        while true {
            let name = String(rest.prefix { $0 != "=" })
            rest = rest.dropFirst(name.unicodeScalars.count)
            guard isName(name, colon: false), rest.popFirst() == "=", rest.popFirst() == "\"" else {
                throw Malformed(message: "label: \(line)")
            }
            var value = String.UnicodeScalarView()
            while let scalar = rest.popFirst(), scalar != "\"" {
                guard scalar == "\\" else {
                    value.append(scalar)
                    continue
                }
                switch rest.popFirst() {
                case "\\": value.append("\\")
                case "\"": value.append("\"")
                case "n": value.append("\n")
                default: throw Malformed(message: "escape: \(line)")
                }
            }
            guard labels.updateValue(String(value), forKey: name) == nil else {
                throw Malformed(message: "label twice: \(line)")
            }
            switch rest.popFirst() {
            case ",": continue
            case "}": return labels
            default: throw Malformed(message: "labels: \(line)")
            }
        }
    }

    private static func number(_ text: String) -> Double? {
        switch text {
        case "+Inf": .infinity
        case "-Inf": -.infinity
        case "NaN": .nan
        default: text.utf8.allSatisfy { "0123456789.e+-".utf8.contains($0) } ? Double(text) : nil
        }
    }
}

private func isName(_ text: String, colon: Bool) -> Bool {
    guard let first = text.first, !first.isNumber else { return false }
    return text.unicodeScalars.allSatisfy {
        $0.isASCII && ($0 == "_" || $0.properties.isAlphabetic || $0.properties.numericType != nil)
            || colon && $0 == ":"
    }
}
