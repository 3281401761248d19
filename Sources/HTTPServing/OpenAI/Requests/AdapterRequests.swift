// SPDX-License-Identifier: Apache-2.0

package import StrictJSON

/// The body of `POST /v1/load_lora_adapter`.
nonisolated package struct LoadAdapterRequest: Sendable, Equatable {
    package var name: String
    /// As the client wrote it; the host resolves it under `limits.adapterRoots`.
    package var path: String
    /// Replaces a loaded adapter of this name by a new generation.
    package var replaces: Bool
    /// The generation that the client believes to be live; another one answers 409.
    package var expectedGeneration: Int?
    /// Nil leaves it as the manifest or the earlier generation has it.
    package var pinned: Bool?

    package init(body: [UInt8], limits: JSONLimits = JSONLimits()) throws(APIError) {
        let fields = try RequestFields(body: body, limits: limits)
        let missing = "Both 'lora_name' and 'lora_path' must be provided."
        name = try fields.adapterName(missing: missing)
        guard let path = try fields.string("lora_path", byteLimit: 4096), !path.isEmpty else {
            throw APIError(.badRequest, missing, parameter: "lora_path", type: "InvalidUserInput")
        }
        guard !path.utf8.contains(0) else {
            throw fields.failure("lora_path", "must not hold a NUL character.")
        }
        self.path = path
        replaces = try fields.boolean("load_inplace") ?? false
        expectedGeneration = try fields.integer("expected_generation", in: 0...Int.max)
        pinned = try fields.boolean("pinned")
        if try fields.boolean("is_3d_lora_weight") == true {
            throw fields.failure(
                "is_3d_lora_weight", "is not supported: store one matrix for each expert.")
        }
    }
}

/// The body of `POST /v1/unload_lora_adapter`.
nonisolated package struct UnloadAdapterRequest: Sendable, Equatable {
    package var name: String
    /// The generation that the client believes to be live; another one answers 409.
    package var expectedGeneration: Int?

    package init(body: [UInt8], limits: JSONLimits = JSONLimits()) throws(APIError) {
        let fields = try RequestFields(body: body, limits: limits)
        name = try fields.adapterName(
            missing: "'lora_name' needs to be provided to unload a LoRA adapter.")
        expectedGeneration = try fields.integer("expected_generation", in: 0...Int.max)
    }
}

nonisolated extension RequestFields {
    /// Names become metric labels that gateways split at commas, so those are refused.
    fileprivate func adapterName(missing: String) throws(APIError) -> String {
        guard let name = try string("lora_name", byteLimit: 256), !name.isEmpty else {
            throw APIError(.badRequest, missing, parameter: "lora_name", type: "InvalidUserInput")
        }
        guard
            !name.unicodeScalars.contains(where: { $0.value < 0x20 || $0 == "," || $0 == "\u{7F}" })
        else {
            throw failure("lora_name", "must not hold commas or control characters.")
        }
        return name
    }
}
