// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading
internal import PolicyKit

/// What gates read at a place.
enum GateFeatures {
    case nothing
    /// Rows of the step, so many columns of them.
    case rows(RowBuffer, width: Int)
    /// Final hidden states of the base model.
    case finalHidden
    /// The stacked ranks of a group.
    case ranks(group: Int)
}

extension ForwardPass {
    /// Asks every gate that has a point at `place`, each chunk's by itself.
    func weigh(at place: Int, layer: Int, _ features: GateFeatures) {
        guard isGated, gating.segments.contains(where: { $0.points[place] >= 0 }) else { return }
        loop(.gate, layer, gating.chunks.count) { index, _ in
            let segment = gating.segments[gating.chunks[index].segment]
            let point = Int(segment.points[place])
            if point >= 0 { ask(segment, chunk: index, point: point, features) }
        }
        if let recorder = executor.gateRecorder { record(place: place, in: recorder) }
    }

    /// The weights of a chunk's rows, at a point with so many sets for each.
    private func weights(
        _ chunk: GateChunk, _ segment: GateSegment, sets: Int
    ) -> UnsafeMutableBufferPointer<Float> {
        let floats = sets * segment.expertCount
        return UnsafeMutableBufferPointer(
            start: gates.weights + segment.weightsOffset
                + (chunk.firstRow - segment.firstRow) * floats,
            count: chunk.rowCount * floats)
    }

    /// Weights of a chunk whose gate fails are NaN, and so is all that comes of them: nothing that
    /// looks like an answer.
    private func ask(
        _ segment: GateSegment, chunk index: Int, point: Int, _ features: GateFeatures
    ) {
        let chunk = gating.chunks[index]
        let mixture = segment.mixture.takeUnretainedValue()
        let weights = weights(chunk, segment, sets: mixture.sets[point])
        // What a gate leaves out is a failure as well.
        weights.update(repeating: .nan)
        guard !gates.hasFailed(index) else { return }
        let rows = chunk.firstGateRow..<chunk.firstGateRow + chunk.rowCount
        let all = gating.rows
        let states = loadStates(chunk, mixture, point: point)
        let read = read(features, chunk, segment)
        do throws(PolicyError) {
            var stateSpan = states.mutableSpan
            var weightSpan = weights.mutableSpan
            try mixture.gate.weigh(
                at: point, features: read.span, rows: all.span.extracting(rows),
                states: &stateSpan, weights: &weightSpan)
        } catch {
            weights.update(repeating: .nan)
            return fail(index, mixture, point, error.description)
        }
        guard let fault = fault(in: weights, of: chunk, experts: segment.expertCount) else {
            gates.count(weights, experts: segment.expertCount, of: index)
            return storeStates(states, chunk, mixture, point: point)
        }
        weights.update(repeating: .nan)
        fail(index, mixture, point, fault)
    }

    private func fail(_ index: Int, _ mixture: PackedMixture, _ point: Int, _ reason: String) {
        gates.fail(
            index,
            InferenceError(
                .gateFailed,
                "the gate of mixture \(mixture.name) failed at point \(point): \(reason)",
                chunk: gating.chunks[index].index))
    }

    /// What is wrong with the weights of a chunk, if anything.
    private func fault(
        in weights: UnsafeMutableBufferPointer<Float>, of chunk: GateChunk, experts: Int
    ) -> String? {
        var sum: Float = 0
        for weight in weights { sum += weight * 0 }
        guard sum == 0 else { return "a weight is not a finite number" }
        guard chunk.mask != 0 else { return nil }
        for expert in 0..<experts where chunk.mask >> UInt64(expert) & 1 != 0 {
            for index in stride(from: expert, to: weights.count, by: experts)
            where weights[index] != 0 {
                return "it gave \(weights[index]) to expert \(expert), which is left out"
            }
        }
        return nil
    }

    private func record(place: Int, in recorder: GateRecorder) {
        for chunk in gating.chunks {
            let segment = gating.segments[chunk.segment]
            let point = Int(segment.points[place])
            guard point >= 0 else { continue }
            let sets = segment.mixture.takeUnretainedValue().sets[point]
            let weights = weights(chunk, segment, sets: sets)
            let floats = sets * segment.expertCount
            for row in 0..<chunk.rowCount {
                recorder.record(
                    GateRecorder.Weights(
                        chunk: chunk.index, row: row, position: chunk.position + row, point: point,
                        values: Array(weights[row * floats..<(row + 1) * floats]),
                        experts: segment.expertCount))
            }
        }
    }

    // MARK: - What gates read

    /// A chunk's features, one row right behind the other; copied only where they lie otherwise.
    private func read(
        _ features: GateFeatures, _ chunk: GateChunk, _ segment: GateSegment
    ) -> UnsafeBufferPointer<Float> {
        switch features {
        case .nothing:
            return UnsafeBufferPointer(start: nil, count: 0)
        case .rows(let source, let width):
            return dense(source, from: chunk.firstRow, width: width, chunk)
        case .finalHidden:
            let hidden = RowBuffer(
                base: gates.hidden, stride: RowBuffer.stride(for: configuration.hiddenSize))
            return dense(
                hidden, from: gates.hiddenRows[chunk.index], width: configuration.hiddenSize, chunk)
        case .ranks(let group):
            return ranks(of: segment.groups[group], slot: segment.slot, chunk)
        }
    }

    /// Where the features of a chunk go if they are copied.
    private func copies(_ chunk: GateChunk) -> UnsafeMutablePointer<Float> {
        gates.features + chunk.firstGateRow * gating.width
    }

    private func dense(
        _ source: RowBuffer, from first: Int, width: Int, _ chunk: GateChunk
    ) -> UnsafeBufferPointer<Float> {
        guard chunk.rowCount > 1, source.stride != width else {
            return UnsafeBufferPointer(start: source.row(first), count: chunk.rowCount * width)
        }
        let target = copies(chunk)
        for row in 0..<chunk.rowCount {
            (target + row * width).update(from: source.row(first + row), count: width)
        }
        return UnsafeBufferPointer(start: target, count: chunk.rowCount * width)
    }

    /// The ranks without what pads them.
    private func ranks(
        of group: GatedGroup, slot: Int, _ chunk: GateChunk
    ) -> UnsafeBufferPointer<Float> {
        let target = copies(chunk)
        var next = target
        for row in chunk.firstRow..<chunk.firstRow + chunk.rowCount {
            let source = shrunk.row(slot * rows + row)
            for span in group.spans {
                next.update(from: source + span.first, count: span.count)
                next += span.count
            }
        }
        return UnsafeBufferPointer(start: target, count: chunk.rowCount * group.width)
    }

    // MARK: - States

    /// The record of a token of a chunk's sequence at a point.
    private func state(
        at position: Int, _ chunk: GateChunk, _ floats: Int, point: Int
    ) -> UnsafeMutablePointer<Float>? {
        let tokens = ExecutorConfiguration.pageTokens
        let page = scratch.pages[chunk.pagesOffset + position / tokens]
        return executor.pool.gateStates.map {
            $0.record(page: page, slot: position % tokens) + point * floats
        }
    }

    /// Room for the states of a chunk's rows, in the first what the token before it left behind.
    private func loadStates(
        _ chunk: GateChunk, _ mixture: PackedMixture, point: Int
    ) -> UnsafeMutableBufferPointer<Float> {
        let floats = mixture.pointStateFloats
        guard floats > 0 else { return UnsafeMutableBufferPointer(start: nil, count: 0) }
        let states = UnsafeMutableBufferPointer(
            start: gates.states + chunk.firstGateRow * gating.stateFloats,
            count: chunk.rowCount * floats)
        states.update(repeating: 0)
        if chunk.position > 0,
            let before = state(at: chunk.position - 1, chunk, floats, point: point)
        {
            states.baseAddress?.update(from: before, count: floats)
        }
        return states
    }

    private func storeStates(
        _ states: UnsafeMutableBufferPointer<Float>, _ chunk: GateChunk, _ mixture: PackedMixture,
        point: Int
    ) {
        let floats = mixture.pointStateFloats
        guard floats > 0, let base = states.baseAddress else { return }
        for row in 0..<chunk.rowCount {
            state(at: chunk.position + row, chunk, floats, point: point)?
                .update(from: base + row * floats, count: floats)
        }
    }

    // MARK: - Weighing

    /// Multiplies some ranks of some rows of a mixture by the weights of their experts.
    private func weigh(
        _ segment: GateSegment, group: Int, rows range: Range<Int>, ranks: Range<Int>
    ) {
        let own = segment.groups[group]
        let floats = own.sets * segment.expertCount
        let weights =
            gates.weights + segment.weightsOffset + (range.lowerBound - segment.firstRow) * floats
        let first = shrunk.row(segment.slot * rows + range.lowerBound)
        for span in own.spans {
            let start = max(span.first, ranks.lowerBound)
            let count = min(span.first + span.count, ranks.upperBound) - start
            guard count > 0 else { continue }
            let expert = own.set(ofPart: span.part) * segment.expertCount + span.expert
            for row in 0..<range.count {
                let weight = weights[row * floats + expert]
                let values = first + row * shrunk.stride + start
                for index in 0..<count { values[index] *= weight }
            }
        }
    }

    /// Weighs ranks as soon as they are there, unless the weights depend on all of them.
    func weighEarly(_ segment: GateSegment, group: Int, rows: Range<Int>, ranks: Range<Int>) {
        guard !segment.groups[group].isWeighedLate else { return }
        weigh(segment, group: group, rows: rows, ranks: ranks)
    }

    /// Weighs the ranks of a group where the weights depend on them.
    func weighLate(layer: Int, group: Int) {
        guard isGated, gating.segments.contains(where: { $0.groups[group].isWeighedLate }) else {
            return
        }
        loop(.gate, layer, gating.chunks.count) { index, _ in
            let chunk = gating.chunks[index]
            let segment = gating.segments[chunk.segment]
            guard segment.groups[group].isWeighedLate else { return }
            weigh(
                segment, group: group, rows: chunk.firstRow..<chunk.firstRow + chunk.rowCount,
                ranks: 0..<Int.max)
        }
    }
}
