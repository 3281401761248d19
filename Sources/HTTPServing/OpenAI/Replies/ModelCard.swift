// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// One served name as `/v1/models` lists it.
nonisolated package struct ModelCard: Sendable, Equatable {
    package var id: String
    /// Seconds since 1970.
    package var created: Int
    /// The folder it was loaded from.
    package var root: String
    /// The base that an adapter or a mixture stands on; nil for a base.
    package var parent: String?
    /// The context length of a base; nil for an adapter, as in vLLM.
    package var maxModelLength: Int?

    package init(
        id: String, created: Int, root: String, parent: String? = nil, maxModelLength: Int? = nil
    ) {
        self.id = id
        self.created = created
        self.root = root
        self.parent = parent
        self.maxModelLength = maxModelLength
    }

    /// The reply to `GET /v1/models/{id}`.
    package var json: [UInt8] {
        var writer = JSONWriter(reserving: 640)
        encode(into: &writer)
        return writer.bytes
    }

    /// The reply to `GET /v1/models`.
    package static func list(_ cards: [ModelCard]) -> [UInt8] {
        var writer = JSONWriter(reserving: 64 + 640 * cards.count)
        writer.beginObject()
        writer.key("object")
        writer.value("list")
        writer.key("data")
        writer.beginArray()
        for card in cards { card.encode(into: &writer) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    func encode(into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("id")
        writer.value(id)
        writer.key("object")
        writer.value("model")
        writer.key("created")
        writer.value(created)
        writer.key("owned_by")
        writer.value("burrow")
        writer.key("root")
        writer.value(root)
        writer.key("parent")
        writer.value(parent)
        writer.key("max_model_len")
        writer.value(maxModelLength)
        writer.key("permission")
        writer.beginArray()
        encodePermission(into: &writer)
        writer.endArray()
        writer.endObject()
    }

    /// OpenAI's old permission object, which some clients still decode.
    private func encodePermission(into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("id")
        writer.value("modelperm-\(id)")
        writer.key("object")
        writer.value("model_permission")
        writer.key("created")
        writer.value(created)
        let flags = [
            ("allow_create_engine", false), ("allow_sampling", true), ("allow_logprobs", true),
            ("allow_search_indices", false), ("allow_view", true), ("allow_fine_tuning", false),
        ]
        for (name, flag) in flags {
            writer.key(name)
            writer.value(flag)
        }
        writer.key("organization")
        writer.value("*")
        writer.key("group")
        writer.null()
        writer.key("is_blocking")
        writer.value(false)
        writer.endObject()
    }
}
