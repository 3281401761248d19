// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Composition
import ModelLoading

/// The methods of `burrow compose`.
enum ComposeMethod: String, CaseIterable, ExpressibleByArgument {
    case concatenate, svd, ties, dare
    case dareTies = "dare-ties"
    case magnitudePrune = "magnitude-prune"
    case lorahub, regmean

    /// The share of elements that stay without `--density`, for methods that prune; a single
    /// adapter has nothing to be at odds with and keeps all.
    func defaultDensity(adapterCount: Int) -> Double? {
        switch self {
        case .ties: adapterCount == 1 ? 1 : 0.2
        case .dare, .dareTies, .magnitudePrune: adapterCount == 1 ? 1 : 0.5
        case .concatenate, .svd, .lorahub, .regmean: nil
        }
    }

    var needsExamples: Bool { self == .lorahub || self == .regmean }
}

/// `NAME=PATH` or `NAME=PATH:WEIGHT`.
struct AdapterArgument: ExpressibleByArgument, Equatable {
    let name: String
    let path: String
    /// Nil where none was given.
    let weight: Double?

    /// The last colon counts, and only if a number follows it, so that paths may have colons.
    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals > argument.startIndex else {
            return nil
        }
        name = String(argument[..<equals])
        let rest = argument[argument.index(after: equals)...]
        if let colon = rest.lastIndex(of: ":"),
            let number = Double(rest[rest.index(after: colon)...])
        {
            guard number.isFinite else { return nil }
            path = String(rest[..<colon])
            weight = number
        } else {
            path = String(rest)
            weight = nil
        }
        guard !path.isEmpty else { return nil }
    }
}

struct ComposeOptions: ParsableArguments {
    @Option(help: "The base model's folder.")
    var base: String

    @Option(
        name: .customLong("adapter"), parsing: .singleValue,
        help: ArgumentHelp(
            "An adapter's folder; give several. WEIGHT is 1 by default; lorahub looks for the weights "
                + "that are not given.", valueName: "name=path[:weight]"))
    var adapters: [AdapterArgument] = []

    @Option(help: "\(ComposeMethod.allCases.map(\.rawValue).joined(separator: ", ")).")
    var method: ComposeMethod

    @Option(help: "The folder to write; it must not exist.")
    var output: String

    @Option(help: "The most ranks of a layer. Default: what is exact, else the adapters' highest.")
    var rank: Int?

    @Option(
        help: """
            The share of elements that stay, for methods that prune. Default: 0.2 for ties, else \
            0.5; 1 for a single adapter.
            """)
    var density: Double?

    @Option(help: "The same seed gives the same adapter.")
    var seed: UInt64 = 0

    @Option(help: "f32 or bf16.")
    var dtype: ComposedType = .f32

    @Option(
        parsing: .singleValue,
        help: "A .jsonl file of lines with prompt and answer, for lorahub and regmean; may repeat.")
    var data: [String] = []

    @Option(help: "Takes only the first so many lines of each task. Default: all.")
    var examples: Int?

    @Option(help: "How many weights lorahub tries. Default: 200.")
    var evaluations: Int?

    @Flag(help: "lorahub adds the adapters factor by factor, as the original does.")
    var crossTerms = false

    @Option(help: "How much regmean counts products of different inputs. Default: 0.9.")
    var correlationShare: Double?

    @Option(help: "Threads for lorahub and regmean. Default: all processors.")
    var threads: Int?

    @Flag(help: "Write the report as JSON.")
    var json = false

    func validate() throws {
        guard !adapters.isEmpty else {
            throw ValidationError("give at least one --adapter name=path")
        }
        var names: Set<String> = []
        for adapter in adapters where !names.insert(adapter.name).inserted {
            throw ValidationError("two adapters are called \(adapter.name)")
        }
        if let density, method.defaultDensity(adapterCount: 2) == nil {
            throw ValidationError("--density \(density) means nothing for \(method.rawValue)")
        }
        if method.needsExamples, data.isEmpty {
            throw ValidationError("\(method.rawValue) needs examples: give --data")
        }
        try refuse(
            !method.needsExamples,
            [
                ("--data", !data.isEmpty), ("--examples", examples != nil),
                ("--threads", threads != nil),
            ])
        try refuse(
            method != .lorahub,
            [("--evaluations", evaluations != nil), ("--cross-terms", crossTerms)])
        try refuse(method != .regmean, [("--correlation-share", correlationShare != nil)])
        for (name, value) in [("--examples", examples), ("--threads", threads)] {
            if let value, value < 1 { throw ValidationError("\(name) must be at least 1") }
        }
        if let share = correlationShare, !(0...1).contains(share) {
            throw ValidationError("--correlation-share must be from 0 to 1")
        }
    }

    private func refuse(_ isRefused: Bool, _ options: [(name: String, isGiven: Bool)]) throws {
        for option in options where isRefused && option.isGiven {
            throw ValidationError("\(option.name) means nothing for \(method.rawValue)")
        }
    }
}

/// How the factors are stored.
enum ComposedType: String, CaseIterable, ExpressibleByArgument {
    case f32, bf16

    var elementType: SafetensorsWriter.ElementType { self == .f32 ? .f32 : .bf16 }
}
