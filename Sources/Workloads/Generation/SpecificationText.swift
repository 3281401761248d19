// SPDX-License-Identifier: Apache-2.0

// The text form of workloads, as the command line has it. What is read here is written the same by
// `description`.

extension ArrivalProcess: CustomStringConvertible {
    /// Reads `poisson`, `gamma:CV` or `constant`.
    package init(parsing text: String) throws(WorkloadError) {
        var words = SpecificationWords(text, of: "arrivals", forms: "poisson, gamma:CV, constant")
        switch words.name {
        case "poisson": self = .poisson
        case "constant": self = .constant
        case "gamma":
            self = .gamma(cv: try words.number("coefficient of variation", in: 0.01...100))
        default: throw words.unknown
        }
        try words.end()
    }

    package var description: String {
        switch self {
        case .poisson: "poisson"
        case .gamma(let cv): "gamma:\(cv)"
        case .constant: "constant"
        }
    }
}

extension Popularity: CustomStringConvertible {
    /// Reads `identical`, `distinct`, `uniform`, `zipf:EXPONENT`, `stride:S`, or `stride:S:FILE` with
    /// a file in the format of Azure Functions 2021, which is read at once.
    package init(parsing text: String) throws(WorkloadError) {
        var words = SpecificationWords(
            text, of: "popularity",
            forms: "identical, distinct, uniform, zipf:EXPONENT, stride:S, stride:S:FILE")
        switch words.name {
        case "identical": self = .identical
        case "distinct": self = .distinct
        case "uniform": self = .uniform
        case "zipf": self = .zipf(try words.number("exponent", in: 0...10))
        case "stride":
            let stride = try words.integer("stride", in: 1...1_000_000)
            let file = words.rest()
            self = .stride(stride, of: try file.map(AzureFunctionsTrace.counts(in:)) ?? .powerLaw)
        default: throw words.unknown
        }
        try words.end()
    }

    package var description: String {
        switch self {
        case .identical: "identical"
        case .distinct: "distinct"
        case .uniform: "uniform"
        case .zipf(let exponent): "zipf:\(exponent)"
        case .stride(let stride, let functions):
            functions == .powerLaw ? "stride:\(stride)" : "stride:\(stride):\(functions.source)"
        }
    }
}

extension LengthDistribution: CustomStringConvertible {
    /// `name` is what a text without one is taken for: `uniform:8-64/16-128` names it once.
    fileprivate init(
        name: String, _ text: String, whole: String
    ) throws(WorkloadError) {
        var words = SpecificationWords(
            "\(name):\(text)", of: "lengths", whole: whole, forms: RequestLengths.forms)
        let tokens = 1...RequestLengths.mostTokens
        switch name {
        case "constant": self = .constant(try words.integer("length", in: tokens))
        case "uniform":
            let ends = text.split(separator: "-", omittingEmptySubsequences: false)
            guard ends.count == 2, let low = Int(ends[0]), let high = Int(ends[1]), low <= high,
                tokens.contains(low), tokens.contains(high)
            else { throw words.fault("'\(text)' is no range of tokens, as 8-64") }
            self = .uniform(low...high)
            return
        case "lognormal":
            let parts = text.split(separator: ",", omittingEmptySubsequences: false)
            guard parts.count == 2, let mean = Double(parts[0]), let cv = Double(parts[1]),
                (1...Double(RequestLengths.mostTokens)).contains(mean), (0.01...100).contains(cv)
            else {
                throw words.fault("'\(text)' is no mean and coefficient of variation, as 128,0.8")
            }
            self = .logNormal(mean: mean, cv: cv)
            return
        default: throw words.unknown
        }
        try words.end()
    }

    package var description: String {
        switch self {
        case .constant(let tokens): "\(tokens)"
        case .uniform(let range): "uniform:\(range.lowerBound)-\(range.upperBound)"
        case .logNormal(let mean, let cv): "lognormal:\(mean),\(cv)"
        }
    }
}

extension RequestLengths: CustomStringConvertible {
    static let forms =
        "PROMPT/OUTPUT with each as 32, uniform:8-64 or lognormal:MEAN,CV (a name stands for both "
        + "where the second has none), or trace:FILE or trace:FILE*SCALE"

    /// The most tokens that a specification may name.
    static let mostTokens = 1 << 20

    /// Reads `32/64`, `uniform:8-64/16-128`, `lognormal:128,1.0/64,0.8`, `32/uniform:1-9`,
    /// `trace:FILE` or `trace:FILE*SCALE`; the file is read at once.
    package init(parsing text: String) throws(WorkloadError) {
        if text.hasPrefix("trace:") {
            let (path, scale) = try Self.scaledFile(String(text.dropFirst(6)), whole: text)
            self = .recorded(try TraceReplay.lengths(in: path), scale: scale)
            return
        }
        let halves = text.split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count == 2 else {
            throw WorkloadError("lengths '\(text)': expected \(Self.forms)")
        }
        let (name, first) = Self.named(halves[0], else: "constant")
        let (second, rest) = Self.named(halves[1], else: name)
        self = .independent(
            prompt: try LengthDistribution(name: name, first, whole: text),
            output: try LengthDistribution(name: second, rest, whole: text))
    }

    /// Splits `FILE*SCALE`; without a scale it is 1.
    static func scaledFile(
        _ text: String, whole: String
    ) throws(WorkloadError) -> (path: String, scale: Double) {
        guard let star = text.lastIndex(of: "*") else { return (text, 1) }
        let number = text[text.index(after: star)...]
        guard let scale = Double(number), (1e-6...1e6).contains(scale) else {
            throw WorkloadError("'\(whole)': the scale '\(number)' is no number above 0")
        }
        return (String(text[..<star]), scale)
    }

    private static func named(_ half: Substring, else name: String) -> (String, String) {
        guard let colon = half.firstIndex(of: ":") else { return (name, String(half)) }
        return (String(half[..<colon]), String(half[half.index(after: colon)...]))
    }

    package var description: String {
        switch self {
        case .independent(let prompt, let output): "\(prompt)/\(output.explicit(after: prompt))"
        case .recorded(let recorded, let scale):
            scale == 1 ? "trace:\(recorded.source)" : "trace:\(recorded.source)*\(scale)"
        }
    }
}

extension LengthDistribution {
    /// The text behind `first`, whose name it would take where it had none.
    fileprivate func explicit(after first: LengthDistribution) -> String {
        if case .constant(let tokens) = self {
            if case .constant = first { return "\(tokens)" }
            return "constant:\(tokens)"
        }
        return description
    }
}
