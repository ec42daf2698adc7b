package launcher;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.crypto.Cipher;
import javax.crypto.spec.SecretKeySpec;

/**
 * Encrypts the connection info for the gateway.
 *
 * <p>AES in ECB mode and RSA with PKCS#1 v1.5 padding are nobody's choice today. They are what the
 * gateway's listener decrypts, and it takes nothing else. The AES key is new for each kernel.
 */
final class Seal {
    private static final int AES_BYTES = 16;

    private Seal() {}

    /**
     * The message in its wire form.
     *
     * @param publicKey base64 of the DER form of an RSA key, as in the body of a PEM file
     */
    static byte[] seal(Map<String, Object> info, String publicKey) throws LauncherError {
        PublicKey gateway = rsaKey(publicKey);
        byte[] secret = new byte[AES_BYTES];
        new SecureRandom().nextBytes(secret);
        try {
            Cipher aes = Cipher.getInstance("AES/ECB/PKCS5Padding");
            aes.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(secret, "AES"));
            byte[] sealedInfo = aes.doFinal(Json.write(info).getBytes(StandardCharsets.UTF_8));
            Cipher rsa = Cipher.getInstance("RSA/ECB/PKCS1Padding");
            rsa.init(Cipher.ENCRYPT_MODE, gateway);
            Base64.Encoder base64 = Base64.getEncoder();
            Map<String, Object> message = new LinkedHashMap<>();
            message.put("version", 1);
            message.put("key", base64.encodeToString(rsa.doFinal(secret)));
            message.put("conn_info", base64.encodeToString(sealedInfo));
            return base64.encode(Json.write(message).getBytes(StandardCharsets.UTF_8));
        } catch (GeneralSecurityException error) {
            throw new LauncherError("cannot encrypt the report: " + error);
        }
    }

    private static PublicKey rsaKey(String text) throws LauncherError {
        try {
            byte[] der = Base64.getDecoder().decode(text);
            return KeyFactory.getInstance("RSA").generatePublic(new X509EncodedKeySpec(der));
        } catch (IllegalArgumentException | GeneralSecurityException error) {
            throw LauncherError.wrongInput("--public-key is not an RSA public key");
        }
    }
}
