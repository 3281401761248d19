// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

extension ForwardPass {
    /// Rotates queries and keys, stores keys and values, and attends, into `attended`.
    func attend(layer: Int) {
        let cache = cache.layer(layer)
        forRows(.rope, layer, rows) { range in
            for row in range { rotate(row, layer: layer, cache) }
        }
        loop(.attention, layer, plan.attentionTasks.count) { index, member in
            let task = plan.attentionTasks[index]
            let own = scratch.members[member]
            var attention = attention(task, cache, state: state(of: task) ?? own.state)
            attention.queries = own.queries
            attention.segment_state = own.segmentState
            if task.stateIndex != nil { attention.out = nil }
            kernels.attend(&attention)
        }
        loop(.join, layer, plan.joinTasks.count) { index, _ in
            let task = plan.joinTasks[index]
            guard let state = state(of: task) else { return }
            var attention = attention(task, cache, state: state)
            kernels.attend_join(&attention, task.segmentCount, shape.stateFloats)
        }
    }

    private func rotate(_ row: Int, layer: Int, _ cache: KernelCache) {
        let place = plan.places[row]
        let page = place.position / ExecutorConfiguration.pageTokens
        var rope = KernelRope(
            row: scratch.projections.row(row), key_column: shape.keyColumn,
            value_column: shape.valueColumn, heads: configuration.headCount,
            kv_heads: configuration.kvHeadCount, head_size: configuration.headSize,
            query_norm: model.layers[layer].queryNorm, key_norm: model.layers[layer].keyNorm,
            epsilon: configuration.normEpsilon, angles: scratch.angles.row(row), cache: cache,
            page: scratch.pages[place.pagesOffset + page],
            slot: place.position % ExecutorConfiguration.pageTokens)
        kernels.rope(&rope)
    }

    /// Where a task's state goes if it attends to a part of the context only.
    private func state(of task: AttentionTask) -> UnsafeMutablePointer<Float>? {
        guard let index = task.stateIndex else { return nil }
        return executor.splitStates.base + index * shape.stateFloats
    }

    private func attention(
        _ task: AttentionTask, _ cache: KernelCache, state: UnsafeMutablePointer<Float>
    ) -> KernelAttention {
        let column = task.head * shape.group * shape.headSize
        let queries = scratch.projections
        let target = scratch.attended
        return KernelAttention(
            cache: cache, head: task.head, pages: UnsafePointer(scratch.pages + task.pagesOffset),
            q: queries.row(task.firstRow) + column, q_stride: queries.stride,
            scale: 1 / Float(configuration.headSize).squareRoot(), rows: task.rowCount,
            group: shape.group, head_size: shape.headSize, position: task.position,
            first_token: task.firstToken, end_token: task.endToken, queries: nil, state: state,
            segment_state: nil, state_stride: shape.stateStride,
            out: target.row(task.firstRow) + column, out_stride: target.stride)
    }
}
