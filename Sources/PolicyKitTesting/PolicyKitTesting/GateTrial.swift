// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// A gate's answers at all its points for random sequences.
struct GateTrial {
    let gate: any Gate
    let mixture: MixtureDescription

    /// The tokens of a sequence with what the gate reads of them, point by point.
    private struct Sequence {
        var rows: [GateRow]
        /// For each point `[rows, width]`.
        var features: [[Float]]
    }

    /// For each row the weights at one point.
    private typealias Answer = [[Float]]

    /// What is wrong with the gate, in words; `nil` where nothing was found.
    func fault(from generator: inout SeededGenerator) throws -> String? {
        let (first, second) = (sequence(from: &generator), sequence(from: &generator))
        for point in gate.traits.points.indices {
            let whole = try ask(point, [first], cuts: [])
            if let fault = faultyRow(whole, first, at: point) { return fault }
            if try ask(point, [first], cuts: []) != whole { return "answers anew differently" }
            let mixed = try ask(point, [second, first], cuts: [])
            if Array(mixed.suffix(whole.count)) != whole {
                return "weights depend on another sequence of the step"
            }
            // A gate that needs whole prompts gets them, and is cut behind them only.
            let whatMustStay =
                gate.traits.needsWholePrompt ? Int(first.rows[0].promptTokens) : 1
            let cuts = (whatMustStay..<first.rows.count).filter { _ in generator.chance(oneIn: 3) }
            if try ask(point, [first], cuts: cuts) != whole {
                return "weights depend on how a sequence is cut: at \(cuts)"
            }
            let prefix = generator.integer(whatMustStay...first.rows.count)
            let shorter = try ask(point, [self.prefix(of: first, prefix)], cuts: [])
            if shorter != Array(whole.prefix(prefix)) { return "weights depend on later tokens" }
        }
        return nil
    }

    private func faultyRow(_ answer: Answer, _ sequence: Sequence, at point: Int) -> String? {
        for (row, weights) in zip(sequence.rows, answer) {
            for (index, weight) in weights.enumerated() {
                let expert = index % mixture.experts.count
                if !weight.isFinite { return "the weight of expert \(expert) is \(weight)" }
                if row.masked >> UInt64(expert) & 1 == 1, weight != 0 {
                    return "expert \(expert) is masked and has the weight \(weight)"
                }
            }
        }
        return nil
    }

    private func sequence(from generator: inout SeededGenerator) -> Sequence {
        let count = generator.integer(1...20)
        let prompt = generator.integer(1...count)
        let masked =
            generator.chance(oneIn: 3)
            ? generator.next() & (1 << UInt64(mixture.experts.count) - 1) : 0
        let rows = (0..<count).map { position in
            GateRow(
                token: Int32(generator.integer(0...99)), position: Int32(position),
                promptTokens: Int32(prompt), ordinal: Int32(position + 1), masked: masked)
        }
        let features = gate.traits.points.map { point in
            (0..<count * mixture.trialWidth(of: point)).map { _ in
                Float.random(in: -2...2, using: &generator)
            }
        }
        return Sequence(rows: rows, features: features)
    }

    private func prefix(of sequence: Sequence, _ count: Int) -> Sequence {
        let rows = Array(sequence.rows.prefix(count))
        let features = zip(gate.traits.points, sequence.features).map { point, values in
            Array(values.prefix(count * mixture.trialWidth(of: point)))
        }
        return Sequence(rows: rows, features: features)
    }

    /// Asks about all rows, the first sequence cut before the rows `cuts`; the state goes on.
    private func ask(_ point: Int, _ sequences: [Sequence], cuts: [Int]) throws -> Answer {
        var answer: Answer = []
        var carried = [Float](repeating: 0, count: gate.traits.stateFloats)
        let ends = cuts + [sequences[0].rows.count]
        var start = 0
        for end in ends {
            let isLast = end == ends.last
            var call = Call(gate: gate, point: point, mixture: mixture)
            call.add(sequences[0].rows[start..<end], sequences[0].features[point], from: carried)
            if isLast {
                for other in sequences.dropFirst() {
                    call.add(
                        other.rows[...], other.features[point],
                        from: [Float](repeating: 0, count: carried.count))
                }
            }
            answer += try call.ask()
            carried = call.state(after: end - start - 1)
            start = end
        }
        return answer
    }
}

/// One call of a gate.
private struct Call {
    let gate: any Gate
    let point: Int
    let mixture: MixtureDescription
    private var features: [Float] = []
    private var rows: [GateRow] = []
    private var states: [Float] = []

    init(gate: any Gate, point: Int, mixture: MixtureDescription) {
        self.gate = gate
        self.point = point
        self.mixture = mixture
    }

    /// Adds consecutive rows of a sequence whose features are `all`, with the state before them.
    mutating func add(_ slice: ArraySlice<GateRow>, _ all: [Float], from state: [Float]) {
        let width = mixture.trialWidth(of: gate.traits.points[point])
        for (index, row) in slice.enumerated() {
            var row = row
            row.ordinal = Int32(index + 1)
            rows.append(row)
            let place = Int(row.position) * width
            features += all[place..<place + width]
            states += index == 0 ? state : [Float](repeating: .nan, count: state.count)
        }
    }

    mutating func ask() throws -> [[Float]] {
        let sets = gate.traits.points[point].matrices * mixture.experts.count
        var weights = [Float](repeating: .nan, count: rows.count * sets)
        var after = states
        defer { states = after }
        var statesOut = after.mutableSpan
        var weightsOut = weights.mutableSpan
        try gate.weigh(
            at: point, features: features.span, rows: rows.span, states: &statesOut,
            weights: &weightsOut)
        return (0..<rows.count).map { Array(weights[$0 * sets..<($0 + 1) * sets]) }
    }

    func state(after row: Int) -> [Float] {
        let size = gate.traits.stateFloats
        return Array(states[row * size..<(row + 1) * size])
    }
}

extension MixtureDescription {
    /// Floats that a gate reads of each row at a point, in a model whose matrices are all square.
    fileprivate func trialWidth(of point: GatePoint) -> Int { width(of: point) ?? hiddenSize }
}
