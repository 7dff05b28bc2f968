import ca.uhn.hl7v2.DefaultHapiContext;
import ca.uhn.hl7v2.HapiContext;
import ca.uhn.hl7v2.app.Connection;
import ca.uhn.hl7v2.llp.MinLowerLayerProtocol;
import ca.uhn.hl7v2.model.Message;
import ca.uhn.hl7v2.util.Terser;
import ca.uhn.hl7v2.validation.impl.ValidationContextFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/**
 * Sends the messages of a file over MLLP with HAPI and prints, for each, the control id it sent and the
 * acknowledgement that HAPI itself parsed: `MSH-10 MSA-1 MSA-2`. Messages are separated by a record separator
 * (U+001E). Usage: java -cp ... HapiSender.java HOST PORT FILE
 */
public class HapiSender {
  public static void main(String[] arguments) throws Exception {
    try (HapiContext context = new DefaultHapiContext()) {
      MinLowerLayerProtocol framing = new MinLowerLayerProtocol();
      framing.setCharset(StandardCharsets.UTF_8);
      context.setLowerLayerProtocol(framing);
      context.setValidationContext(ValidationContextFactory.noValidation());
      Connection connection = context.newClient(arguments[0], Integer.parseInt(arguments[1]), false);
      connection.getInitiator().setTimeout(15, TimeUnit.SECONDS);
      String text = Files.readString(Path.of(arguments[2]), StandardCharsets.UTF_8);
      for (String one : text.split("\u001e")) {
        Message message = context.getPipeParser().parse(one);
        Message answer = connection.getInitiator().sendAndReceive(message);
        Terser told = new Terser(answer);
        System.out.println(new Terser(message).get("/MSH-10") + " " + told.get("/MSA-1") + " " + told.get("/MSA-2"));
      }
      connection.close();
    }
    System.exit(0);
  }
}
