// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

extension MoLEConfiguration {
    /// Reads what ``jsonText`` writes.
    ///
    /// - Throws: ``PolicyKit/PolicyError`` that names the first key which is missing, unknown or out
    ///   of range, or which contradicts another.
    package init(_ file: FileValue) throws(PolicyError) {
        let object = try ConfigurationObject(file)
        try object.allow([
            "format", "base_sha256", "experts", "reading", "granularity", "layer", "pooling",
            "pool_span", "pool_divisor", "normalisation", "eps", "hidden", "top_k", "null_expert",
            "mask",
            "training",
        ])
        let format = try object.string("format")
        guard format == Self.format else {
            throw PolicyError("'format' is '\(format)'; this reads '\(Self.format)'")
        }
        self.init(experts: try Self.experts(of: object))
        baseDigest = try object.string("base_sha256", default: "")
        reading = try object.choice("reading", default: reading)
        granularity = try object.choice("granularity", default: granularity)
        layer = try object.integer("layer", in: 0...65_535, default: layer)
        pooling = try object.choice("pooling", default: pooling)
        poolSpan = try object.choice("pool_span", default: poolSpan)
        poolDivisor = try object.choice("pool_divisor", default: poolDivisor)
        normalisation = try object.choice("normalisation", default: normalisation)
        epsilon = try object.number("eps", in: 0...1, default: epsilon)
        hidden = try object.integer("hidden", in: 0...Self.maximumHidden, default: hidden)
        topK = try object.integer("top_k", in: 0...experts.count, default: topK)
        hasNullExpert = try object.boolean("null_expert", default: hasNullExpert)
        mask = try object.choice("mask", default: mask)
        if case .object(let notes)? = file["training"] { training = notes }
        if let contradiction { throw PolicyError(contradiction) }
    }

    /// What contradicts something else, in words.
    package var contradiction: String? {
        if normalisation == .outputs, reading != .shrunk {
            return "'normalisation' is 'outputs', which only the reading 'shrunk' has"
        }
        if mask == .exclude, reading != .shrunk {
            return "'mask' is 'exclude', which only the reading 'shrunk' has"
        }
        if reading == .shrunk, granularity == .blocksAtOnce {
            return "'granularity' is 'blocks-at-once', which the reading 'shrunk' has not"
        }
        if reading == .finalHidden, ![.network, .blocksAtOnce].contains(granularity) {
            return "'granularity' is '\(granularity.rawValue)'; the reading 'final-hidden' has "
                + "'network' and 'blocks-at-once'"
        }
        if pooling == .none, hidden > 0 {
            return "'hidden' is \(hidden), but the pooling 'none' has nothing to read"
        }
        if layer != 0, granularity != .network || reading == .finalHidden {
            return "'layer' is \(layer), but only the granularity 'network' reads at one layer, "
                + "and 'final-hidden' before all"
        }
        return nil
    }

    private static func experts(of object: ConfigurationObject) throws(PolicyError) -> [Expert] {
        guard case .array(let values)? = object.members["experts"] else {
            throw PolicyError("'experts' is no list")
        }
        guard 1...MixtureDescription.maximumExperts ~= values.count else {
            throw PolicyError(
                "'experts' has \(values.count) entries; 1 to \(MixtureDescription.maximumExperts) "
                    + "are possible")
        }
        var experts: [Expert] = []
        for value in values {
            let expert = try ConfigurationObject(value)
            try expert.allow(["name", "sha256", "rank"])
            experts.append(
                Expert(
                    name: try expert.string("name"), sha256: try expert.string("sha256"),
                    rank: try expert.integer("rank", in: 1...65_536, default: 1)))
        }
        return experts
    }
}

/// An object of a JSON file, read key by key.
struct ConfigurationObject {
    let members: [String: FileValue]

    init(_ value: FileValue) throws(PolicyError) {
        guard case .object(let members) = value else {
            throw PolicyError("an object was expected")
        }
        self.members = members
    }

    func allow(_ keys: Set<String>) throws(PolicyError) {
        if let unknown = members.keys.filter({ !keys.contains($0) }).min() {
            throw PolicyError("the key '\(unknown)' is unknown")
        }
    }

    func string(_ key: String, default fallback: String? = nil) throws(PolicyError) -> String {
        guard let value = members[key] else {
            if let fallback { return fallback }
            throw PolicyError("'\(key)' is missing")
        }
        guard case .string(let string) = value else {
            throw PolicyError("'\(key)' is no string")
        }
        return string
    }

    func boolean(_ key: String, default fallback: Bool) throws(PolicyError) -> Bool {
        guard let value = members[key] else { return fallback }
        guard case .boolean(let boolean) = value else {
            throw PolicyError("'\(key)' is neither true nor false")
        }
        return boolean
    }

    func number(
        _ key: String, in range: ClosedRange<Double>, default fallback: Double
    ) throws(PolicyError) -> Double {
        guard let value = members[key] else { return fallback }
        guard case .number(let number) = value, range.contains(number) else {
            throw PolicyError(
                "'\(key)' is no number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func integer(
        _ key: String, in range: ClosedRange<Int>, default fallback: Int
    ) throws(PolicyError) -> Int {
        guard let value = members[key] else { return fallback }
        guard case .number(let number) = value, let integer = Int(exactly: number),
            range.contains(integer)
        else {
            throw PolicyError(
                "'\(key)' is no integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return integer
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, default fallback: Choice
    ) throws(PolicyError) -> Choice where Choice.RawValue == String {
        let word = try string(key, default: fallback.rawValue)
        guard let choice = Choice(rawValue: word) else {
            let known = Choice.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
            throw PolicyError("'\(key)' is '\(word)'; possible are \(known)")
        }
        return choice
    }
}
