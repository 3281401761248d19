// SPDX-License-Identifier: Apache-2.0

/// The number of the plugin interface; a plugin built for another one is refused before it is
/// loaded. It changes when a change here would break plugins that are already built.
@inlinable
public var policyKitInterface: UInt32 { 4 }

/// The first eight bytes of a plugin's header: `BURROWP1`, read as a little-endian number.
@inlinable
public var policyPluginMagic: UInt64 { 0x3150_574f_5252_5542 }

/// What a plugin library hands to the host: the policies in it.
///
/// A plugin declares two things besides its policies:
/// ```swift
/// @section("burrow_plugin") @used
/// let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)
///
/// @c(burrow_plugin_export)
/// public func burrowPluginExport() -> UnsafeMutableRawPointer {
///     PluginExport.retained([MyPolicy.self])
/// }
/// ```
/// The header says, before the library is loaded: ``policyPluginMagic``, its size in bytes, and
/// ``policyKitInterface``. A section takes literals only, so a plugin writes the numbers.
public final class PluginExport {
    public let policies: [any Policy.Type]

    init(policies: [any Policy.Type]) { self.policies = policies }

    /// The export of a library with these policies; the host takes over the ownership.
    @_alwaysEmitIntoClient
    public static func retained(_ policies: [any Policy.Type]) -> UnsafeMutableRawPointer {
        retained(policies, guardedBy: policyKitGuard4())
    }

    /// Called by ``retained(_:)``, which is compiled into the plugin.
    public static func retained(
        _ policies: [any Policy.Type], guardedBy: Void
    ) -> UnsafeMutableRawPointer {
        Unmanaged.passRetained(PluginExport(policies: policies)).toOpaque()
    }
}

/// A symbol that carries the interface number in its name: a library built for another interface
/// has an unresolved symbol and cannot be loaded, even if its header lies.
public func policyKitGuard4() {}
