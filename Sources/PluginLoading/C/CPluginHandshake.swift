// SPDX-License-Identifier: Apache-2.0

import CPolicy
import Glibc
import PolicyKit

/// Tells libraries that were written against `burrow_policy.h`, and asks them what they have.
enum CPluginHandshake {
    private static let entryPointStem = "burrow_policy_v"
    private static var ownABI: UInt32 { UInt32(BURROW_POLICY_ABI) }
    private static let mostPolicies: UInt64 = 256

    /// Whether a library without the header of Swift plugins is one in C.
    ///
    /// - Throws: `wrongInterface` for one of another version.
    static func isPlugin(_ image: ELFImage) throws(PluginError) -> Bool {
        var others: [UInt32] = []
        for symbol in try image.dynamicSymbols()
        where symbol.isDefined && symbol.name.hasPrefix(entryPointStem) {
            guard let number = UInt32(symbol.name.dropFirst(entryPointStem.count)) else { continue }
            if number == ownABI { return true }
            others.append(number)
        }
        guard let other = others.first else { return false }
        throw PluginError(
            .wrongInterface, image.path,
            "built for version \(other) of the C interface, this host has \(ownABI): \(rebuild)")
    }

    /// The policies of a library that is loaded.
    ///
    /// - Throws: ``PluginError`` with the first fault.
    static func policies(
        of library: UnsafeMutableRawPointer, path: String
    ) throws(PluginError) -> [CPolicyType] {
        let name = "\(entryPointStem)\(ownABI)"
        guard let symbol = dlsym(library, name) else {
            throw PluginError(.missingEntryPoint, path, "it has no entry point '\(name)'")
        }
        typealias EntryPoint =
            @convention(c) (
                UnsafePointer<burrow_policy_host>
            ) -> UnsafePointer<burrow_policy_plugin>?
        var host = burrow_policy_host(size: size(of: burrow_policy_host.self), abi: ownABI)
        guard let plugin = unsafeBitCast(symbol, to: EntryPoint.self)(&host) else {
            throw PluginError(
                .missingEntryPoint, path, "its entry point '\(name)' refuses this host")
        }
        try check(plugin, path: path)
        return try read(plugin.pointee, path: path)
    }

    private static func check(
        _ plugin: UnsafePointer<burrow_policy_plugin>, path: String
    ) throws(PluginError) {
        // Size and number come first, and stand there in every version.
        let (found, needed) = (plugin.pointee.size, size(of: burrow_policy_plugin.self))
        guard plugin.pointee.abi == ownABI else {
            throw PluginError(
                .wrongInterface, path,
                "it says version \(plugin.pointee.abi) of the C interface, this host has "
                    + "\(ownABI): \(rebuild)")
        }
        guard found >= needed else {
            throw PluginError(
                .wrongInterface, path,
                "its burrow_policy_plugin has \(found) bytes, this host needs \(needed): \(rebuild)"
            )
        }
        if let violation = CPolicySize.violation(of: plugin.pointee.sizes) {
            throw PluginError(.wrongInterface, path, "\(violation): \(rebuild)")
        }
    }

    private static func read(
        _ plugin: burrow_policy_plugin, path: String
    ) throws(PluginError) -> [CPolicyType] {
        guard plugin.policy_count > 0, let first = plugin.policies else {
            throw PluginError(.noPolicies, path, "it exports no policies")
        }
        let needed = UInt64(MemoryLayout<burrow_policy>.stride)
        guard plugin.policy_count <= mostPolicies, plugin.policy_stride >= needed,
            plugin.policy_stride <= 65_536, plugin.policy_stride.isMultiple(of: 8)
        else {
            throw PluginError(
                .invalidDeclaration, path,
                "it has \(plugin.policy_count) policies of \(plugin.policy_stride) bytes; there "
                    + "may be \(mostPolicies), each of at least \(needed)")
        }
        var policies: [CPolicyType] = []
        for index in 0..<Int(plugin.policy_count) {
            let place = UnsafeRawPointer(first) + index * Int(plugin.policy_stride)
            do throws(PolicyError) {
                policies.append(
                    try CPolicyType(place.assumingMemoryBound(to: burrow_policy.self)))
            } catch {
                throw PluginError(
                    .invalidDeclaration, path, "policy \(index): \(error.description)")
            }
        }
        return policies
    }

    private static let rebuild = "rebuild it with the burrow_policy.h of this host"
}
